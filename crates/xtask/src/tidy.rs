//! The house rules that need no compiler: lengths, names, dependencies, circles, layout and words.
//!
//! A rule is a function over the [`Tree`]. It knows no exceptions for single files: a rule that needs one is a bad rule.

mod circles;
mod direction;
mod functions;
mod layout;
mod length;
mod modules;
mod names;
mod owners;
mod places;
mod reasons;
mod tokens;
mod tree;
mod words;

use std::fmt;

pub(crate) use length::long_files;
pub(crate) use tree::Tree;

/// A rule: what is wrong in the tree.
type Rule = fn(&Tree) -> Vec<Finding>;

/// All rules, by the name that a finding is printed with.
pub(crate) const RULES: [(&str, Rule); 11] = [
    ("file length", length::check),
    ("function length", functions::check),
    ("names", names::check),
    ("direction", direction::check),
    ("circles", circles::check),
    ("owners", owners::check_dependencies),
    ("owned uses", owners::check_uses),
    ("reasons", reasons::check),
    ("places", places::check),
    ("layout", layout::check),
    ("words", words::check),
];

/// A violation of a rule.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    /// The file, or the package.
    place: String,
    line: Option<usize>,
    what: String,
}

impl Finding {
    fn new(place: &str, what: impl Into<String>) -> Self {
        Self { place: place.to_owned(), line: None, what: what.into() }
    }

    /// A finding at a line, which is counted from 0 as iterators do.
    fn at(place: &str, index: usize, what: impl Into<String>) -> Self {
        Self { line: Some(index + 1), ..Self::new(place, what) }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.place)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        write!(f, ": {}", self.what)
    }
}

#[cfg(test)]
mod tests;
