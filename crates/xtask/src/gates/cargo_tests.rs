//! The tests and the examples of the documentation.

use std::io;

use super::js::provide_redis;
use crate::command::{cargo, run_counted};
use crate::counts::Counts;
use crate::workspace::Workspace;

pub(crate) fn run(workspace: &Workspace) -> io::Result<Counts> {
    provide_redis()?;
    // Without an early end, so that the sum at the end is the whole truth.
    let mut command = cargo(&["test", "--workspace", "--no-fail-fast"]);
    run_counted(command.current_dir(&workspace.root), Counts::of_cargo)
}
