//! The Python client pysignalr against the conformance server, where Python is installed.

use std::io;
use std::process::Command;

use super::conformance_server::ConformanceServers;
use crate::command::{run as run_command, run_counted, say, works};
use crate::counts::Counts;
use crate::workspace::Workspace;

pub(crate) fn run(workspace: &Workspace) -> io::Result<Counts> {
    if !works(Command::new("python3").args(["-c", "import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 10))"]))
    {
        say("Python 3.10 with venv is not installed, so the Python client is not run: apt-get install python3-venv")?;
        return Ok(Counts::default());
    }
    let folder = workspace.root.join("protocol-tests/clients/python");
    let environment = workspace.target.join("python-client");
    let python = environment.join("bin/python");
    if !works(Command::new(&python).arg("--version")) {
        run_command(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&environment))?;
    }
    let mut install = Command::new(&python);
    install.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--requirement",
        "requirements.txt",
    ]);
    run_command(install.current_dir(&folder))?;
    let servers = ConformanceServers::start(workspace)?;
    let mut client = Command::new(&python);
    client.arg("client.py").args(servers.arguments());
    run_counted(client.current_dir(&folder), Counts::of_clients)
}
