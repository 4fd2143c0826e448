//! The tests and the examples of the documentation.

use std::io;

use super::js::provide_redis;
use crate::command::{cargo, run as run_command, run_counted_together};
use crate::counts::Counts;
use crate::workspace::Workspace;

/// What cargo runs at the same time: by itself it runs one test binary after another, with as many tests at a time as there are cores.
/// The tests of the suites mostly wait.
const PARTS: [&[&str]; 3] = [&["--test", "*", "--", "--test-threads=6"], &["--lib", "--bins"], &["--doc"]];

pub(crate) fn run(workspace: &Workspace) -> io::Result<Counts> {
    provide_redis()?;
    run_command(cargo(&["test", "--workspace", "--no-run"]).current_dir(&workspace.root))?;
    let mut commands = PARTS.map(|part| {
        // Without an early end, so that the sum at the end is the whole truth.
        let mut command = cargo(&["test", "--workspace", "--no-fail-fast"]);
        command.args(part).current_dir(&workspace.root);
        command
    });
    run_counted_together(&mut commands, Counts::of_cargo)
}
