//! A package is found under its own name, opens with what it is, and takes the lints of the workspace.

use std::path::Path;

use super::{Finding, Tree};
use crate::workspace::Package;

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    tree.packages.iter().flat_map(|package| package_findings(tree, package)).collect()
}

fn package_findings(tree: &Tree, package: &Package) -> Vec<Finding> {
    let mut findings = Vec::new();
    if package.folder.file_name() != Some(package.name.as_ref()) {
        let what = format!("is the folder of {}: both have one name", package.name);
        findings.push(Finding::new(&package.folder.to_string_lossy(), what));
    }
    if !text(tree, &package.folder.join("Cargo.toml")).contains("[lints]\nworkspace = true") {
        findings.push(Finding::new(&package.name, "does not take the lints of the workspace"));
    }
    if package.roots.is_empty() {
        findings.push(Finding::new(&package.name, "has neither library nor binary"));
    }
    for root in package.roots.iter().filter(|root| !text(tree, root).starts_with("//!")) {
        findings.push(Finding::new(&root.to_string_lossy(), "does not open with what it is (//!)"));
    }
    findings
}

fn text<'a>(tree: &'a Tree, path: &Path) -> &'a str {
    tree.file(path).map_or("", |file| &file.text)
}

#[cfg(test)]
mod tests;
