//! The words of the command line.

use std::path::PathBuf;

use super::part::Part;

/// What is run, and how much of it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Options {
    /// How often the server is killed under load.
    pub(crate) kills: u32,
    /// What the moments of faults follow from.
    pub(crate) seed: u32,
    /// The names of the parts that are run; all of them if it is empty.
    pub(crate) only: Vec<String>,
    /// Whether the parts are listed, and nothing is run.
    pub(crate) list: bool,
    /// Whether the binary is built for release.
    pub(crate) release: bool,
    /// The binary of an earlier version, from which nodes are upgraded.
    pub(crate) previous: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self { kills: 30, seed: 20, only: Vec::new(), list: false, release: false, previous: None }
    }
}

impl Options {
    /// Reads the words after `faults`; `None` if they are not understood.
    pub(crate) fn read(mut words: impl Iterator<Item = String>) -> Option<Self> {
        let mut options = Self::default();
        while let Some(word) = words.next() {
            match word.as_str() {
                "--list" => options.list = true,
                "--release" => options.release = true,
                "--only" => options.only.push(words.next()?),
                "--previous" => options.previous = Some(words.next()?.into()),
                "--kills" => options.kills = words.next()?.parse().ok()?,
                "--seed" => options.seed = words.next()?.parse().ok()?,
                _ => return None,
            }
        }
        Some(options)
    }

    /// The parts that are asked for, in their own order.
    pub(crate) fn choose<'a>(&self, parts: &'a [Part]) -> Result<Vec<&'a Part>, String> {
        if let Some(unknown) = self.only.iter().find(|name| parts.iter().all(|part| part.name != **name)) {
            return Err(format!("there is no fault {unknown}: cargo xtask faults --list lists all of them"));
        }
        Ok(parts.iter().filter(|part| self.only.is_empty() || self.only.contains(&part.name)).collect())
    }

    /// The options in the report.
    pub(crate) fn described(&self) -> String {
        format!("seed {}, {} build", self.seed, if self.release { "release" } else { "debug" })
    }
}
