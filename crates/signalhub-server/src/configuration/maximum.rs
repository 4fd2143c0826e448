//! Limits of counts.

use std::num::NonZeroUsize;

use super::setting::{Given, Setting, quoted};

/// The limit of a count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Maximum {
    /// There is no limit.
    Unlimited,
    /// This number.
    Of(NonZeroUsize),
}

impl Maximum {
    /// Makes a limit of this number, but at least one.
    pub const fn of(count: usize) -> Self {
        match NonZeroUsize::new(count) {
            Some(count) => Self::Of(count),
            None => Self::Of(NonZeroUsize::MIN),
        }
    }
}

impl Setting for Maximum {
    const EXPECTED: &'static str = "a whole number from 1, or \"unlimited\"";

    fn parse(given: &Given<'_>) -> Option<Self> {
        match given.text() {
            Some("unlimited") => Some(Self::Unlimited),
            _ => NonZeroUsize::parse(given).map(Self::Of),
        }
    }

    fn written(&self) -> String {
        match self {
            Self::Unlimited => quoted("unlimited"),
            Self::Of(count) => count.written(),
        }
    }
}

/// How many sockets an address may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SocketShare {
    /// A quarter of all that there may be.
    Quarter,
    /// As many as there may be in all.
    Unlimited,
    /// This number.
    Of(NonZeroUsize),
}

impl Setting for SocketShare {
    const EXPECTED: &'static str = "\"quarter\", a whole number from 1, or \"unlimited\"";

    fn parse(given: &Given<'_>) -> Option<Self> {
        match given.text() {
            Some("quarter") => Some(Self::Quarter),
            Some("unlimited") => Some(Self::Unlimited),
            _ => NonZeroUsize::parse(given).map(Self::Of),
        }
    }

    fn written(&self) -> String {
        match self {
            Self::Quarter => quoted("quarter"),
            Self::Unlimited => quoted("unlimited"),
            Self::Of(count) => count.written(),
        }
    }
}
