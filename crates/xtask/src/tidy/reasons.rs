//! Each dependency says what it is needed for, where all of them are declared.

use std::path::Path;

use super::{Finding, Tree};

const MANIFEST: &str = "Cargo.toml";
const SECTION: &str = "[workspace.dependencies]";

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let Some(manifest) = tree.file(Path::new(MANIFEST)) else {
        return vec![Finding::new(MANIFEST, "is missing")];
    };
    let lines = manifest.text.lines().enumerate().skip_while(|(_, line)| *line != SECTION).skip(1);
    lines
        .take_while(|(_, line)| !line.starts_with('['))
        .filter(|(_, line)| line.contains('=') && !line.starts_with('#'))
        .filter(|(_, line)| !line.contains("path = ") && !has_reason(line))
        .map(|(index, line)| Finding::at(MANIFEST, index, format!("no comment says why: {line}")))
        .collect()
}

fn has_reason(line: &str) -> bool {
    line.rsplit_once(" # ").is_some_and(|(_, reason)| !reason.trim().is_empty())
}

#[cfg(test)]
mod tests;
