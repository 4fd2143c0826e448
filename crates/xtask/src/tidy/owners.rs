//! Some dependencies may be used by few packages only, because a design decision belongs to the use.

use super::{Finding, Tree};
use crate::workspace::{Dependency, Purpose};

/// Which of our packages may depend on an external package. Tests may depend on any.
const DEPENDENCIES: [(&str, &[&str]); 8] = [
    ("hyper", &["signalhub-connections", "signalhub-load", "portos-notifications", "signalhub-server"]),
    ("hyper-util", &["signalhub-connections", "signalhub-load", "portos-notifications", "signalhub-server"]),
    ("jsonwebtoken", &["signalhub-connections", "signalhub-server"]),
    ("redis", &["signalhub-redis"]),
    ("rusqlite", &["signalhub-history"]),
    ("tower-service", &["signalhub-connections"]),
    ("tungstenite", &["signalhub-connections"]),
    ("tokio-tungstenite", &["signalhub-client", "signalhub-load"]),
];

/// Names that may be used in one folder only. hyper's server and jsonwebtoken's verification are in packages of which other
/// packages need other parts.
const USES: [(&str, &str); 4] = [
    ("hyper::server", "crates/signalhub-connections/"),
    ("hyper_util::server", "crates/signalhub-connections/"),
    ("DecodingKey", "crates/signalhub-connections/"),
    ("jsonwebtoken::decode", "crates/signalhub-connections/"),
];

pub(super) fn check_dependencies(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in &tree.packages {
        let foreign = |dependency: &&Dependency| {
            let owners = DEPENDENCIES.iter().find(|(name, _)| *name == dependency.name);
            owners.is_some_and(|(_, owners)| !owners.contains(&package.name.as_str()))
        };
        let dependencies = package.dependencies.iter().filter(|dependency| dependency.purpose != Purpose::Tests);
        for dependency in dependencies.filter(foreign) {
            findings.push(Finding::new(&package.name, format!("may not depend on {}", dependency.name)));
        }
    }
    findings
}

pub(super) fn check_uses(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    // This file contains the forbidden names.
    let sources = tree.sources().filter(|file| !file.is_test() && !file.path.starts_with("crates/xtask/"));
    for file in sources {
        for (index, line) in file.text.lines().enumerate() {
            for (word, owner) in USES {
                if line.contains(word) && !file.path.starts_with(owner) {
                    findings.push(Finding::at(&file.path, index, format!("{word} belongs to {owner}")));
                }
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests;
