//! What is released is made of the programs of the other gates, and used as an operator does. `cargo xtask dist` makes the real one.

use std::fs;
use std::io;
use std::process::Command;

use super::python;
use crate::command::{cargo, run as run_command, say, works};
use crate::counts::Counts;
use crate::dist::{Made, make_for_tests};
use crate::packages;
use crate::workspace::Workspace;

/// The programs that build and use what is released, and the packages of Debian that have them.
const USERS: [(&str, &str); 4] =
    [("buildah", "buildah"), ("systemd-nspawn", "systemd-container"), ("zsh", "zsh"), ("fish", "fish")];

/// Installs what builds, reads and uses packages.
pub(crate) fn prepare(workspace: &Workspace) -> io::Result<()> {
    let missing = USERS.iter().filter(|(program, _)| !works(Command::new(program).arg("--version")));
    let missing: Vec<&str> = missing.map(|(_, package)| *package).collect();
    packages::provide(&missing, "some of what is released is not used")?;
    python::prepare_packages(workspace)
}

pub(crate) fn run(workspace: &Workspace) -> io::Result<Counts> {
    prepare(workspace)?;
    workspace.build_programs()?;
    let mut counts = package(workspace)?;
    match make_for_tests(workspace)? {
        Made::At(folder) => {
            let of_packages = python::run_packages(workspace, &folder)?;
            if of_packages.failed == 0 {
                fs::remove_dir_all(folder)?;
            }
            counts += of_packages;
        }
        Made::NotHere(reason) => say(&format!("not run: archive, package and image: {reason}"))?,
    }
    Ok(counts)
}

/// Has cargo make the archive of each package for the registry, in the order of their dependencies. They are compiled by
/// `cargo xtask release --check`.
fn package(workspace: &Workspace) -> io::Result<Counts> {
    // The index of the registry is here since the packages were compiled; asking for it again takes most of the time.
    let is_packed = [&["--offline"][..], &[]].into_iter().any(|options| {
        let mut command = cargo(&["package", "--quiet", "--workspace", "--no-verify", "--allow-dirty"]);
        for package in workspace.packages.iter().filter(|package| !package.is_published) {
            command.args(["--exclude", &package.name]);
        }
        run_command(command.args(options).current_dir(&workspace.root)).is_ok()
    });
    Ok(if is_packed { Counts::PASSED } else { Counts::FAILED })
}
