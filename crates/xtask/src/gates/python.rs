//! The Python clients, where Python is installed: pysignalr against the conformance server and the binary, a listener of PrintFactory
//! and the client of Forcepoint SMC against the binary.

use std::io;
use std::path::Path;
use std::process::Command;

use super::conformance_server::ConformanceServers;
use crate::command::{cargo, run as run_command, run_counted, say, works};
use crate::counts::Counts;
use crate::workspace::Workspace;

/// pysignalr.
pub(crate) fn run(workspace: &Workspace) -> io::Result<Counts> {
    let Some(mut client) = client(workspace, "protocol-tests/clients/python", "python-client")? else {
        return Ok(Counts::default());
    };
    run_command(cargo(&["build", "--package", "signalhub-server"]).current_dir(&workspace.root))?;
    let servers = ConformanceServers::start(workspace)?;
    run_counted(client.arg(workspace.binary("signalhub")).args(servers.arguments()), Counts::of_clients)
}

/// The package websockets as a listener of PrintFactory. It starts the binary itself, with and without TLS.
pub(crate) fn run_printfactory(workspace: &Workspace) -> io::Result<Counts> {
    run_against_binary(workspace, "protocol-tests/clients/printfactory", "printfactory-client")
}

/// The client of Forcepoint SMC. It starts the binary itself, once for each kind of session, with and without TLS.
pub(crate) fn run_smc(workspace: &Workspace) -> io::Result<Counts> {
    run_against_binary(workspace, "protocol-tests/clients/smc", "smc-client")
}

fn run_against_binary(workspace: &Workspace, folder: &str, environment: &str) -> io::Result<Counts> {
    let Some(mut client) = client(workspace, folder, environment)? else {
        return Ok(Counts::default());
    };
    run_command(cargo(&["build", "--package", "signalhub-server"]).current_dir(&workspace.root))?;
    run_counted(client.arg(workspace.binary("signalhub")), Counts::of_clients)
}

/// A command that runs the client in this folder, with what it requires installed; `None` if there is no Python.
fn client(workspace: &Workspace, folder: &str, environment: &str) -> io::Result<Option<Command>> {
    if !works(Command::new("python3").args(["-c", "import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 10))"]))
    {
        say("Python 3.10 with venv is not installed, so the Python client is not run: apt-get install python3-venv")?;
        return Ok(None);
    }
    let (folder, environment) = (workspace.root.join(folder), workspace.target.join(environment));
    let python = environment.join("bin/python");
    if !works(Command::new(&python).arg("--version")) {
        run_command(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&environment))?;
    }
    install(&python, &folder)?;
    let mut client = Command::new(&python);
    // Its modules, and the wrapper of the examples, are compiled without leaving files beside them.
    client.args(["-B", "client.py"]).current_dir(&folder);
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
