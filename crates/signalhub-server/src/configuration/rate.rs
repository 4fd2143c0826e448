//! How often something may happen.

use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

use super::setting::{Given, Setting, quoted};

const UNITS: [(&str, u64); 3] = [("s", 1), ("m", 60), ("h", 3600)];

/// How often something may happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rate {
    /// As often as anybody likes.
    Unlimited,
    /// So many times in so much time, which is also how many may come at once.
    Of {
        /// How many times.
        count: u32,
        /// In how much time.
        per: Duration,
    },
}

impl Rate {
    /// Makes a rate of `count` times in `per`.
    pub const fn new(count: u32, per: Duration) -> Self {
        Self::Of { count, per }
    }

    /// Tells how many may come at once, and how many a second come back; `None` without a limit.
    pub(crate) fn burst_and_per_second(self) -> Option<(f64, f64)> {
        match self {
            Self::Unlimited => None,
            Self::Of { count, per } => Some((f64::from(count), f64::from(count) / per.as_secs_f64())),
        }
    }
}

impl fmt::Display for Rate {
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

impl Setting for Rate {
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
pub enum CallRate {
    /// As often as it likes.
    Unlimited,
    /// So many times a second, which is also how many may come at once.
    PerSecond(NonZeroU32),
}

impl Setting for CallRate {
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
