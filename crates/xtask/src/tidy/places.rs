//! The project works wherever it is checked out, so no file names a path of one machine.

use super::{Finding, Tree};

/// Paths of one machine, and hosts that a mirror may stand in for. They are split so that this file does not hold them.
const PLACES: [&str; 12] = [
    concat!("/wo", "rk/"),
    concat!("../sh", "ared"),
    concat!("crates.io", "-index"),
    concat!("index.crates", ".io"),
    concat!("static.crates", ".io"),
    concat!("registry.npmjs", ".org"),
    concat!("registry.yarnpkg", ".com"),
    concat!("files.python", "hosted.org"),
    concat!("proxy.golang", ".org"),
    concat!("repo1.maven", ".org"),
    concat!("deb.debian", ".org"),
    concat!("pypi", ".org"),
];

/// Cargo writes the source of each package into its lock file.
const LOCK_FILE: &str = "Cargo.lock";

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.files.iter().filter(|file| !file.path.ends_with(LOCK_FILE)) {
        for (index, line) in file.text.lines().enumerate() {
            if let Some(place) = PLACES.iter().find(|place| line.contains(**place)) {
                findings.push(Finding::at(&file.path, index, format!("names the place {place}")));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests;
