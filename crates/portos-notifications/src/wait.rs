//! What a publish waits for.

use std::fmt;
use std::str::FromStr;

/// What a hub waits for before it answers a publish: the parameter `wait` of the publish API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Wait {
    /// The event was accepted and matched.
    #[default]
    Accepted,
    /// The event is also on the disk of the hub and survives a power cut. A hub without a history on disk refuses this with
    /// `invalid_wait`.
    Durable,
    /// The nodes of a cluster have told how many subscribers the event matched, or the hub's `cluster.receipt_timeout` is over. A hub
    /// that is no cluster answers as with [`Accepted`](Self::Accepted).
    Matched,
    /// The event was also written to each WebSocket that matched it, or that connection has ended, or the hub's
    /// `publish.wait_timeout` is over.
    Delivered,
}

impl Wait {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Accepted, Self::Durable, Self::Matched, Self::Delivered];

    /// Returns the value of the parameter.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Durable => "durable",
            Self::Matched => "matched",
            Self::Delivered => "delivered",
        }
    }
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text names nothing that a publish can wait for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected \"accepted\", \"durable\", \"matched\" or \"delivered\"")]
pub struct UnknownWait;

impl FromStr for Wait {
    type Err = UnknownWait;

    fn from_str(text: &str) -> Result<Self, UnknownWait> {
        Self::ALL.into_iter().find(|wait| wait.as_str() == text).ok_or(UnknownWait)
    }
}

#[cfg(test)]
mod tests;
