//! The clock difference that is tolerated in the times of tokens.

use std::time::Duration;

use super::setting::{Given, Setting};

/// A clock difference of five minutes at most: within it, tokens that have expired are still taken (RFC 7519, section
/// 4.1.4, speaks of a few minutes).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leeway(Duration);

impl Leeway {
    /// The longest one.
    pub const MAX: Duration = Duration::from_secs(300);

    /// Makes a leeway; `None` when it is too long.
    pub const fn new(time: Duration) -> Option<Self> {
        if time.as_secs() < Self::MAX.as_secs() || time.as_nanos() == Self::MAX.as_nanos() {
            Some(Self(time))
        } else {
            None
        }
    }

    /// The time itself.
    pub const fn time(self) -> Duration {
        self.0
    }
}

impl Default for Leeway {
    fn default() -> Self {
        Self(Duration::from_secs(30))
    }
}

impl Setting for Leeway {
    const EXPECTED: &'static str = "a time of at most \"5m\", in ms, s or m";

    fn parse(given: &Given<'_>) -> Option<Self> {
        Self::new(Duration::parse(given)?)
    }

    fn written(&self) -> String {
        self.0.written()
    }
}
