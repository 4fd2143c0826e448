//! The cases, by family.

mod closing;
mod fragmentation;
mod frames;
mod sizes;
mod text;

use super::case::Case;

/// All cases in the order of their numbers.
pub(crate) fn all() -> Vec<Case> {
    [frames::cases(), fragmentation::cases(), text::cases(), closing::cases(), sizes::cases()]
        .into_iter()
        .flatten()
        .collect()
}

/// What is tolerated where a message and a violation come in one read.
const ENDED_BEFORE_ECHO: &str =
    "what ends the connection came in one read with the message, which the echo answers later";
