//! The documentation builds, and none of its links leads nowhere.

use std::io;

use crate::command::{cargo, run as run_command};
use crate::counts::Counts;
use crate::workspace::Workspace;

pub(crate) fn run(workspace: &Workspace) -> io::Result<Counts> {
    let mut command = cargo(&["doc", "--workspace", "--no-deps"]);
    run_command(command.env("RUSTDOCFLAGS", "-D warnings").current_dir(&workspace.root))?;
    Ok(Counts::PASSED)
}
