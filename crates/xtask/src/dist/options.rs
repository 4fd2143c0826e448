//! The options of `cargo xtask dist`.

use super::target::{TARGETS, Target};

/// What is built.
#[derive(Debug)]
pub(crate) struct Options {
    pub(super) targets: Vec<&'static Target>,
    pub(super) rounds: Rounds,
    changes: Changes,
}

/// How often everything is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rounds {
    One,
    /// Twice, from nothing, to compare the results.
    Two,
}

/// Whether files may differ from the last commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Changes {
    Refused,
    Allowed,
}

impl Options {
    /// Reads the words after `dist`; `None` if they are not understood.
    pub(crate) fn read(mut words: impl Iterator<Item = String>) -> Option<Self> {
        let mut options = Self { targets: Vec::new(), rounds: Rounds::One, changes: Changes::Refused };
        while let Some(word) = words.next() {
            match word.as_str() {
                "--target" => {
                    let triple = words.next()?;
                    options.targets.push(TARGETS.iter().find(|target| target.triple == triple)?);
                }
                "--twice" => options.rounds = Rounds::Two,
                "--allow-dirty" => options.changes = Changes::Allowed,
                _ => return None,
            }
        }
        if options.targets.is_empty() {
            options.targets = TARGETS.iter().collect();
        }
        Some(options)
    }

    pub(super) fn allows_changes(&self) -> bool {
        self.changes == Changes::Allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_targets_are_built_unless_some_are_named() {
        let read = |line: &str| Options::read(line.split_whitespace().map(str::to_owned));
        assert_eq!(read("").unwrap().targets.len(), TARGETS.len());
        let options = read("--twice --target x86_64-unknown-linux-musl").unwrap();
        let triples: Vec<&str> = options.targets.iter().map(|target| target.triple).collect();
        assert_eq!((triples, options.rounds), (vec!["x86_64-unknown-linux-musl"], Rounds::Two));
        assert!(!options.allows_changes());
        assert!(read("--allow-dirty").unwrap().allows_changes());
        for wrong in ["--target", "--target z80", "twice"] {
            assert!(read(wrong).is_none(), "{wrong}");
        }
    }
}
