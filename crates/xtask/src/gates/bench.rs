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
    // Whether the harness works; its figures mean nothing in a debug build on a machine that does other things.
    let mut load = std::process::Command::new(workspace.binary("signalhub-bench"));
    load.args(["load", "--only", "churn", "--repeat", "1"]);
    run_command(load.current_dir(&workspace.root))?;
    Ok(Counts { passed: 2, failed: 0 })
}

/// `cargo xtask bench`: measures the release build, with these options of `signalhub-bench load`.
pub(crate) fn measure(workspace: &Workspace, options: &[String]) -> io::Result<()> {
    let packages = ["build", "--release", "--package", "signalhub-server", "--package", "signalhub-bench"];
    run_command(cargo(&packages).current_dir(&workspace.root))?;
    let mut load = std::process::Command::new(workspace.release_binary("signalhub-bench"));
    run_command(load.arg("load").args(options).current_dir(&workspace.root))
}
