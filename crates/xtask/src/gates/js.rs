//! The official JavaScript clients against the real binary.

use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;

use crate::command::{cargo, run as run_command, run_counted};
use crate::counts::Counts;
use crate::workspace::Workspace;

/// The oldest version of Node whose test runner knows the options that the tests use.
const NODE: (u32, u32) = (20, 11);

pub(crate) fn run(workspace: &Workspace) -> io::Result<Counts> {
    check_node()?;
    let folder = workspace.root.join("js-client-tests");
    if !installed(&folder) {
        run_command(Command::new("npm").arg("ci").current_dir(&folder))?;
    }
    run_command(cargo(&["build", "--package", "signalhub-server"]).current_dir(&workspace.root))?;
    let mut command = Command::new("npm");
    command.arg("test").env("SIGNALHUB_BINARY", workspace.binary("signalhub"));
    run_counted(command.current_dir(&folder), Counts::of_node)
}

fn check_node() -> io::Result<()> {
    let (major, minor) = NODE;
    let output = Command::new("node").arg("--version").output();
    let output =
        output.map_err(|_| io::Error::other(format!("node is missing: {major}.{minor} or newer is needed")))?;
    let found = String::from_utf8_lossy(&output.stdout);
    match version(&found) {
        Some(version) if version >= NODE => Ok(()),
        _ => Err(io::Error::other(format!("node is {}: {major}.{minor} or newer is needed", found.trim()))),
    }
}

fn version(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.trim().strip_prefix('v')?.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// Tells whether what the lock file names has been installed since it was written: npm leaves a lock file of its own.
fn installed(folder: &Path) -> bool {
    let modified = |name: &str| fs::metadata(folder.join(name)).and_then(|metadata| metadata.modified());
    match (modified("node_modules/.package-lock.json"), modified("package-lock.json")) {
        (Ok(installed), Ok(locked)) => installed >= locked,
        _ => false,
    }
}

#[cfg(test)]
mod tests;
