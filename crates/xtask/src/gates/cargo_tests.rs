//! The tests and the examples of the documentation.

use std::io;
use std::process::Command;

use crate::command::{cargo, run_counted, works};
use crate::counts::Counts;
use crate::packages;
use crate::workspace::Workspace;

pub(crate) fn run(workspace: &Workspace) -> io::Result<Counts> {
    if !works(Command::new("redis-server").arg("--version")) {
        packages::provide(&["redis-server"], "the tests of a cluster say \"not run\"")?;
    }
    // Without an early end, so that the sum at the end is the whole truth.
    let mut command = cargo(&["test", "--workspace", "--no-fail-fast"]);
    run_counted(command.current_dir(&workspace.root), Counts::of_cargo)
}
