//! What happened to a resource.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Tells what happened to a resource: a number in notifications, a word in subscription requests and grants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "u8", try_from = "u8")]
#[non_exhaustive]
pub enum Action {
    /// The resource was created: 1, `created`.
    Created,
    /// The resource was updated: 2, `updated`.
    Updated,
    /// The resource was deleted: 3, `deleted`.
    Deleted,
}

impl From<Action> for u8 {
    fn from(action: Action) -> Self {
        match action {
            Action::Created => 1,
            Action::Updated => 2,
            Action::Deleted => 3,
        }
    }
}

impl TryFrom<u8> for Action {
    type Error = UnknownCode;

    fn try_from(code: u8) -> Result<Self, UnknownCode> {
        match code {
            1 => Ok(Self::Created),
            2 => Ok(Self::Updated),
            3 => Ok(Self::Deleted),
            _ => Err(UnknownCode(code)),
        }
    }
}

impl FromStr for Action {
    type Err = UnknownAction;

    fn from_str(word: &str) -> Result<Self, UnknownAction> {
        match word {
            "created" => Ok(Self::Created),
            "updated" => Ok(Self::Updated),
            "deleted" => Ok(Self::Deleted),
            _ => Err(UnknownAction(word.to_owned())),
        }
    }
}

/// Tells that a number is no action, and which numbers are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("unknown action {0}: expected 1 (created), 2 (updated) or 3 (deleted)")]
pub struct UnknownCode(u8);

/// Tells that a word is no action, and which words are.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown action \"{0}\": expected \"created\", \"updated\" or \"deleted\"")]
pub struct UnknownAction(String);

#[cfg(test)]
mod tests;
