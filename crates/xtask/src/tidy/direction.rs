//! Our packages depend on each other in one direction only.

use super::{Finding, Tree};
use crate::workspace::{Dependency, Package, Purpose};

/// What a package may depend on, for whatever purpose; ` ?` marks what must be behind a feature.
const DIRECTION: [(&str, &[&str]); 16] = [
    ("signalhub-counters", &[]),
    ("signalhub-protocol", &[]),
    ("signalhub-connections", &["signalhub-counters"]),
    ("signalhub-events", &["signalhub-counters"]),
    ("signalhub-history", &["signalhub-events"]),
    ("signalhub-tls-client", &[]),
    ("signalhub-client", &["signalhub-protocol", "signalhub-tls-client"]),
    ("signalhub-load", &["signalhub-protocol", "signalhub-tls-client"]),
    (
        "signalhub",
        &[
            "signalhub-counters",
            "signalhub-protocol",
            "signalhub-connections",
            "signalhub-events",
            "portos-notifications",
        ],
    ),
    ("signalhub-dialects", &["signalhub-connections", "signalhub-events"]),
    (
        "signalhub-redis",
        &[
            "signalhub-protocol",
            "signalhub-connections",
            "signalhub-events",
            "signalhub",
            "signalhub-dialects",
            "signalhub-tls-client",
        ],
    ),
    ("portos-notifications", &["signalhub-events ?", "signalhub-tls-client ?"]),
    (
        "signalhub-server",
        &[
            "signalhub-counters",
            "signalhub-protocol",
            "signalhub-connections",
            "signalhub-events",
            "signalhub-history",
            "signalhub-redis",
            "signalhub-client",
            "signalhub-load",
            "signalhub-tls-client",
            "signalhub",
            "portos-notifications",
            "signalhub-dialects",
        ],
    ),
    (
        "signalhub-bench",
        &[
            "signalhub-protocol",
            "signalhub-connections",
            "signalhub-events",
            "signalhub-client",
            "signalhub-load",
            "signalhub-tls-client",
            "signalhub",
            "portos-notifications",
            "signalhub-server",
        ],
    ),
    (
        "protocol-tests",
        &[
            "signalhub-protocol",
            "signalhub-connections",
            "signalhub-events",
            "signalhub-client",
            "signalhub-load ?",
            "signalhub-tls-client",
            "signalhub",
            "portos-notifications",
        ],
    ),
    ("xtask", &[]),
];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in &tree.packages {
        let Some((_, allowed)) = DIRECTION.iter().find(|(name, _)| *name == package.name) else {
            findings.push(Finding::new(&package.name, "a new package needs its line in the table of directions"));
            continue;
        };
        let ours = |dependency: &&Dependency| tree.packages.iter().any(|other| other.name == dependency.name);
        for dependency in package.dependencies.iter().filter(ours) {
            findings.extend(judge(package, dependency, allowed));
        }
    }
    findings
}

fn judge(package: &Package, dependency: &Dependency, allowed: &[&str]) -> Option<Finding> {
    let name = dependency.name.as_str();
    if allowed.contains(&name) {
        return None;
    }
    let behind_a_feature = allowed.iter().any(|allowed| allowed.strip_suffix(" ?") == Some(name));
    match (behind_a_feature, dependency.purpose) {
        (true, Purpose::Feature | Purpose::Tests) => None,
        (true, Purpose::Always) => Some(Finding::new(&package.name, format!("{name} must be behind a feature"))),
        (false, _) => Some(Finding::new(&package.name, format!("may not depend on {name}"))),
    }
}

#[cfg(test)]
mod tests;
