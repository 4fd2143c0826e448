//! All code is as rustfmt writes it.

use std::io;

use crate::command::{cargo, run as run_command};
use crate::counts::Counts;
use crate::workspace::Workspace;

pub(crate) fn run(workspace: &Workspace) -> io::Result<Counts> {
    run_command(cargo(&["fmt", "--all", "--check"]).current_dir(&workspace.root))?;
    Ok(Counts::PASSED)
}
