//! Events that a subscriber will not get, and why.

use crate::position::Position;

/// Why events are missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum GapReason {
    /// They are no longer kept.
    Trimmed,
    /// The position is of another epoch, as after a restart.
    Epoch,
    /// The position is beyond the latest event, so this broker did not give it.
    Future,
    /// More events match than one replay may send.
    Limit,
    /// The name has no history.
    Off,
    /// The history cannot be read now.
    Unavailable,
}

impl GapReason {
    /// All reasons.
    pub const ALL: [Self; 6] = [Self::Trimmed, Self::Epoch, Self::Future, Self::Limit, Self::Off, Self::Unavailable];

    /// Its name on the wire and in metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Trimmed => "trimmed",
            Self::Epoch => "epoch",
            Self::Future => "future",
            Self::Limit => "limit",
            Self::Off => "off",
            Self::Unavailable => "unavailable",
        }
    }
}

/// Events that a subscriber will not get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// The position behind which they are missing.
    pub from: Position,
    /// The position from which on every event was kept when the gap was found; `None` if the name has no history.
    pub first: Option<Position>,
    /// Why they are missing.
    pub reason: GapReason,
}
