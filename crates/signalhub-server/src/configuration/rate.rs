//! How often something may happen at most.

use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

use signalhub::Rate;

use super::setting::{Given, Setting, quoted};

const UNITS: [(&str, u64); 3] = [("s", 1), ("m", 60), ("h", 3600)];

/// The most often that something may happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RateLimit {
    /// As often as a client likes.
    Unlimited,
    /// A number of times in some time. The same number may come at once.
    Of {
        /// How many times.
        count: u32,
        /// In how much time.
        per: Duration,
    },
}

impl RateLimit {
    /// Makes a rate of `count` times in `per`.
    pub const fn new(count: u32, per: Duration) -> Self {
        Self::Of { count, per }
    }

    /// Returns the rate; `None` without a limit.
    pub(crate) fn rate(self) -> Option<Rate> {
        match self {
            Self::Unlimited => None,
            Self::Of { count, per } => Some(Rate::new(count, per)),
        }
    }
}

impl fmt::Display for RateLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unlimited => f.write_str("unlimited"),
            Self::Of { count, per } => {
                let unit = UNITS.iter().find(|(_, seconds)| per.as_secs() == *seconds);
                write!(f, "{count}/{}", unit.map_or("s", |(name, _)| name))
            }
        }
    }
}

impl Setting for RateLimit {
    const EXPECTED: &'static str = "a rate such as \"1000/s\", in s, m or h, or \"unlimited\"";

    fn parse(given: &Given<'_>) -> Option<Self> {
        let text = given.text()?;
        if text == "unlimited" {
            return Some(Self::Unlimited);
        }
        let (count, name) = text.split_once('/')?;
        let (_, seconds) = UNITS.iter().find(|(known, _)| *known == name)?;
        let count = count.parse().ok().filter(|count| *count > 0)?;
        Some(Self::new(count, Duration::from_secs(*seconds)))
    }

    fn written(&self) -> String {
        quoted(&self.to_string())
    }
}

/// How often one client may call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallRateLimit {
    /// As often as it likes.
    Unlimited,
    /// A number of times a second. The same number may come at once.
    PerSecond(NonZeroU32),
}

impl CallRateLimit {
    /// Makes a rate of `count` times a second, but at least one.
    pub const fn per_second(count: u32) -> Self {
        match NonZeroU32::new(count) {
            Some(count) => Self::PerSecond(count),
            None => Self::PerSecond(NonZeroU32::MIN),
        }
    }

    /// Returns the rate; `None` without a limit.
    pub(crate) fn rate(self) -> Option<Rate> {
        match self {
            Self::Unlimited => None,
            Self::PerSecond(count) => Some(Rate::per_second(count.get())),
        }
    }
}

impl Setting for CallRateLimit {
    const EXPECTED: &'static str = "a rate such as \"1000/s\", or \"unlimited\"";

    fn parse(given: &Given<'_>) -> Option<Self> {
        match given.text()? {
            "unlimited" => Some(Self::Unlimited),
            text => text.strip_suffix("/s")?.parse().ok().map(Self::PerSecond),
        }
    }

    fn written(&self) -> String {
        match self {
            Self::Unlimited => quoted("unlimited"),
            Self::PerSecond(count) => quoted(&format!("{count}/s")),
        }
    }
}
