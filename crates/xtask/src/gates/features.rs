//! Every feature compiles alone, and every package that has features compiles without any.

use std::io;

use crate::command::{cargo, run as run_command};
use crate::counts::Counts;
use crate::workspace::{Package, Workspace};

pub(crate) fn run(workspace: &Workspace) -> io::Result<Counts> {
    let mut counts = Counts::default();
    for arguments in workspace.packages.iter().flat_map(selections) {
        let mut command = cargo(&["clippy", "--no-default-features"]);
        let result = run_command(command.args(arguments).args(["--", "-D", "warnings"]).current_dir(&workspace.root));
        counts += if result.is_ok() { Counts::PASSED } else { Counts::FAILED };
    }
    Ok(counts)
}

/// The choices of features that a package must compile with, as arguments.
fn selections(package: &Package) -> Vec<Vec<&str>> {
    let features = package.features.iter().filter(|feature| *feature != "default");
    let alone = features.map(|feature| vec!["--package", package.name.as_str(), "--features", feature.as_str()]);
    let mut selections: Vec<_> = alone.collect();
    if !selections.is_empty() {
        selections.insert(0, vec!["--package", package.name.as_str()]);
    }
    selections
}

#[cfg(test)]
mod tests;
