//! Functions stay short enough to be seen at once; tests are data and may be longer.

use super::names::definition;
use super::{Finding, Tree};

const LIMIT: usize = 60;

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.sources().filter(|file| !file.is_test()) {
        for (index, lines) in functions(&file.text) {
            if lines > LIMIT {
                let what = format!("a function of {lines} lines, where {LIMIT} are the limit");
                findings.push(Finding::at(&file.path, index, what));
            }
        }
    }
    findings
}

/// The functions of a text that rustfmt has laid out: where each begins (from 0) and how many lines it has.
///
/// The closing brace of a function stands in the column in which the function begins, and no other does before it.
fn functions(text: &str) -> Vec<(usize, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let starts = lines.iter().enumerate().filter(|(_, line)| matches!(definition(line), Some(("fn", _))));
    starts.map(|(index, _)| (index, length(&lines[index..]))).collect()
}

fn length(lines: &[&str]) -> usize {
    let indentation = |line: &str| line.len() - line.trim_start().len();
    let column = lines.first().map_or(0, |line| indentation(line));
    let mut in_body = false;
    for (index, line) in lines.iter().enumerate() {
        let closes = indentation(line) == column && line.trim_start().starts_with('}');
        // Before the body, a semicolon ends a function that a trait only declares, and a brace one of a single line.
        let whole = !in_body && (line.ends_with(';') || line.ends_with('}'));
        if whole || (in_body && closes) {
            return index + 1;
        }
        in_body |= line.ends_with('{');
    }
    lines.len()
}

#[cfg(test)]
mod tests;
