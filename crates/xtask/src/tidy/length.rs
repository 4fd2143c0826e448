//! Files stay short enough to be read at one go.

use super::{Finding, Tree};

/// Where a file should have been two.
const AIM: usize = 400;

/// Where it must be.
const LIMIT: usize = 600;

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let lengths = tree.sources().map(|file| (file, file.text.lines().count()));
    lengths
        .filter(|(_, lines)| *lines > LIMIT)
        .map(|(file, lines)| Finding::new(&file.path, format!("{lines} lines, where {LIMIT} are the limit")))
        .collect()
}

/// Counts the files that are longer than they should be, which is no failure yet.
pub(crate) fn long_files(tree: &Tree) -> usize {
    tree.sources().filter(|file| file.text.lines().count() > AIM).count()
}
