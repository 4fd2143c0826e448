//! What runs in Python, where it is installed: Prometheus against the metrics of the binary; pysignalr against the conformance server and the binary, a listener of PrintFactory
//! and the client of Forcepoint SMC against the binary.

use std::io;
use std::path::Path;
use std::process::Command;

use super::conformance_server::ConformanceServers;
use crate::command::{run as run_command, run_counted, say, works};
use crate::counts::Counts;
use crate::packages;
use crate::workspace::Workspace;

/// The folder of a client in that of the clients, and the folder of its packages in the target folder.
type Folders = (&'static str, &'static str);

const PYSIGNALR: Folders = ("python", "python-client");
const PRINTFACTORY: Folders = ("printfactory", "printfactory-client");
const SMC: Folders = ("smc", "smc-client");
const PACKAGES: Folders = ("packages", "packages-client");
const PROMETHEUS: Folders = ("prometheus", "prometheus-client");

/// Installs pysignalr.
pub(crate) fn prepare(workspace: &Workspace) -> io::Result<()> {
    client(workspace, PYSIGNALR).map(drop)
}

/// pysignalr.
pub(crate) fn run(workspace: &Workspace) -> io::Result<Counts> {
    let Some(mut client) = client(workspace, PYSIGNALR)? else {
        return Ok(Counts::default());
    };
    let servers = ConformanceServers::start(workspace, "python")?;
    run_counted(client.arg(workspace.binary("signalhub")).args(servers.arguments()), Counts::of_clients)
}

/// Installs the package websockets.
pub(crate) fn prepare_printfactory(workspace: &Workspace) -> io::Result<()> {
    client(workspace, PRINTFACTORY).map(drop)
}

/// The client of the kill suite; `None` if it cannot run here.
pub(crate) fn ledger(workspace: &Workspace, protocol: &str) -> io::Result<Option<Command>> {
    let client = program(workspace, PYSIGNALR, "ledger.py")?;
    Ok(client.map(|mut client| {
        client.arg(protocol);
        client
    }))
}

/// Many clients at once, for the tests of a cluster; `None` if they cannot run here.
pub(crate) fn crowd(workspace: &Workspace) -> io::Result<Option<Command>> {
    program(workspace, PYSIGNALR, "crowd.py")
}

/// The package websockets as a listener of PrintFactory. It starts the binary itself, with and without TLS.
pub(crate) fn run_printfactory(workspace: &Workspace) -> io::Result<Counts> {
    run_against_binary(workspace, PRINTFACTORY)
}

/// Installs the client of Forcepoint SMC.
pub(crate) fn prepare_smc(workspace: &Workspace) -> io::Result<()> {
    client(workspace, SMC).map(drop)
}

/// The client of Forcepoint SMC. It starts the binary itself, once for each kind of session, with and without TLS.
pub(crate) fn run_smc(workspace: &Workspace) -> io::Result<Counts> {
    run_against_binary(workspace, SMC)
}

/// Installs Prometheus, where that is allowed, and its parser.
pub(crate) fn prepare_prometheus(workspace: &Workspace) -> io::Result<()> {
    if !works(Command::new("promtool").arg("--version")) {
        packages::provide(&["prometheus"], "the metrics are not judged by Prometheus")?;
    }
    client(workspace, PROMETHEUS).map(drop)
}

/// The page of metrics, the alert rules and the Grafana board, with Prometheus and its parser. They start the binary themselves.
pub(crate) fn run_prometheus(workspace: &Workspace) -> io::Result<Counts> {
    if !works(Command::new("promtool").arg("--version")) {
        say("prometheus is not installed, so the metrics are not judged by it: apt-get install prometheus")?;
        return Ok(Counts::default());
    }
    run_against_binary(workspace, PROMETHEUS)
}

/// Installs what reads the packages.
pub(crate) fn prepare_packages(workspace: &Workspace) -> io::Result<()> {
    client(workspace, PACKAGES).map(drop)
}

/// The archive, the Debian package, the image and the chart, which are in this folder.
pub(crate) fn run_packages(workspace: &Workspace, folder: &Path) -> io::Result<Counts> {
    match client(workspace, PACKAGES)? {
        Some(mut client) => run_counted(client.arg(folder), Counts::of_clients),
        None => Ok(Counts::default()),
    }
}

fn run_against_binary(workspace: &Workspace, folders: Folders) -> io::Result<Counts> {
    let Some(mut client) = client(workspace, folders)? else {
        return Ok(Counts::default());
    };
    workspace.build_programs()?;
    run_counted(client.arg(workspace.binary("signalhub")), Counts::of_clients)
}

/// A command that runs the client in this folder, with what it requires installed; `None` if there is no Python.
fn client(workspace: &Workspace, folders: Folders) -> io::Result<Option<Command>> {
    program(workspace, folders, "client.py")
}

fn program(workspace: &Workspace, (folder, environment): Folders, file: &str) -> io::Result<Option<Command>> {
    if !works(Command::new("python3").args(["-c", "import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 10))"]))
    {
        say("Python 3.10 with venv is not installed, so the Python client is not run: apt-get install python3-venv")?;
        return Ok(None);
    }
    let folder = workspace.root.join("protocol-tests/clients").join(folder);
    let environment = workspace.target.join(environment);
    let python = environment.join("bin/python");
    if !works(Command::new(&python).arg("--version")) {
        run_command(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&environment))?;
    }
    install(&python, &folder)?;
    let mut client = Command::new(&python);
    // Its modules, and the wrapper of the examples, are compiled without leaving files beside them.
    client.args(["-B", file]).current_dir(&folder);
    Ok(Some(client))
}

fn install(python: &Path, folder: &Path) -> io::Result<()> {
    let mut install = Command::new(python);
    install.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--requirement",
        "requirements.txt",
    ]);
    run_command(install.current_dir(folder))
}
