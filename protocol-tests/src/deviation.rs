//! Deliberate differences between a server's answers and the recordings.

use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use crate::recording::{RecordingError, Step};

/// An expected answer that replaces a recorded one.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deviation {
    /// The scenario.
    pub id: String,
    /// The step, counted from 0.
    pub step: usize,
    /// What is expected instead.
    pub expect: Value,
    /// Why the server differs.
    pub reason: String,
}

/// The deviations of one server.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deviations {
    /// The deviations in the order of the file.
    pub deviations: Vec<Deviation>,
}

impl Deviations {
    /// Returns the deviations of this project's server.
    pub fn embedded() -> Result<Self, RecordingError> {
        Self::parse("deviations", include_str!("../deviations.json"))
    }

    /// Reads a file of deviations.
    pub fn read(path: &Path) -> Result<Self, RecordingError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| RecordingError::Unreadable { path: path.display().to_string(), source })?;
        Self::parse(&path.with_extension("").to_string_lossy(), &text)
    }

    /// Returns the deviation of a step, if it has one.
    pub fn of(&self, id: &str, step: usize) -> Option<&Deviation> {
        self.deviations.iter().find(|deviation| deviation.id == id && deviation.step == step)
    }

    fn parse(family: &str, text: &str) -> Result<Self, RecordingError> {
        serde_json::from_str(text).map_err(|source| RecordingError::Malformed {
            family: family.to_owned(),
            part: "the deviations".to_owned(),
            source,
        })
    }
}

impl Deviation {
    /// Tells whether there is an expectation that this can take the place of.
    pub(crate) fn applies_to(&self, steps: &[Step]) -> bool {
        steps.get(self.step).is_some_and(|step| step.expect.is_some())
    }
}
