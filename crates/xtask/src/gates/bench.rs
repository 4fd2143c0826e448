//! A short run of the benches: they work, and nothing leaks. What they measure is for people to read.

use std::io;

use crate::command::{cargo, run as run_command};
use crate::counts::Counts;
use crate::workspace::Workspace;

pub(crate) fn run(workspace: &Workspace) -> io::Result<Counts> {
    let packages = ["build", "--package", "signalhub-server", "--package", "signalhub-bench"];
    run_command(cargo(&packages).current_dir(&workspace.root))?;
    let mut leaks = std::process::Command::new(workspace.binary("signalhub-bench"));
    leaks.args(["leaks", "--connections", "2000"]);
    run_command(leaks.current_dir(&workspace.root))?;
    Ok(Counts::PASSED)
}
