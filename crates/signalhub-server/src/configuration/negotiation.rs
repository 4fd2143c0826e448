//! The version of negotiation, as the original counts it.

use signalhub::connections::NegotiateVersion;

use super::setting::{Given, Setting};

impl Setting for NegotiateVersion {
    const EXPECTED: &'static str = "0 or 1";

    fn parse(given: &Given<'_>) -> Option<Self> {
        match given.count()? {
            0 => Some(Self::Zero),
            1 => Some(Self::One),
            _ => None,
        }
    }

    fn written(&self) -> String {
        match self {
            Self::Zero => "0".to_owned(),
            Self::One => "1".to_owned(),
        }
    }
}
