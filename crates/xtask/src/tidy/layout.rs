//! A package is found under its own name, opens with what it is, takes the lints of the workspace, and has its modules in
//! files of their own names: `a.rs` beside the folder `a`. Every file of a test program is part of it.

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
    findings.extend(mod_files(tree, package));
    findings.extend(unlisted_tests(tree, package));
    findings
}

/// The sources named `mod.rs`. In `tests/` cargo leaves no other name to modules that several tests share.
fn mod_files<'a>(tree: &'a Tree, package: &Package) -> impl Iterator<Item = Finding> + 'a {
    let sources = package.folder.join("src");
    let paths = tree.sources().map(|file| file.path.as_str());
    let mod_files = paths.filter(move |path| Path::new(path).starts_with(&sources) && path.ends_with("/mod.rs"));
    mod_files.map(|path| Finding::new(path, "is named mod.rs, where it should have the name of its module"))
}

/// The files beside the `main.rs` of a test program that it does not declare: cargo would leave them out.
fn unlisted_tests<'a>(tree: &'a Tree, package: &Package) -> impl Iterator<Item = Finding> + 'a {
    let tests = package.folder.join("tests");
    let programs = tree.sources().filter(move |file| {
        let folder = Path::new(&file.path).parent();
        file.path.ends_with("/main.rs") && folder.and_then(Path::parent) == Some(&tests)
    });
    programs.flat_map(|main| {
        let folder = Path::new(&main.path).parent();
        let beside =
            tree.sources().filter(move |file| file.path != main.path && Path::new(&file.path).parent() == folder);
        let unlisted = beside.filter(|file| {
            let name = Path::new(&file.path).file_stem().unwrap_or_default().to_string_lossy();
            !main.text.lines().any(|line| line.ends_with(&format!("mod {name};")))
        });
        unlisted
            .map(|file| Finding::new(&file.path, "is not declared in the main.rs beside it, so its tests do not run"))
    })
}

fn text<'a>(tree: &'a Tree, path: &Path) -> &'a str {
    tree.file(path).map_or("", |file| &file.text)
}

#[cfg(test)]
mod tests;
