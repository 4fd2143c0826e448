//! Versions of the API, which are the first segment of every path.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// A version of the API, such as `7.2` or `7.2.1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    text: Arc<str>,
    /// Two or three numbers.
    numbers: Arc<[u16]>,
}

/// Why a text is no version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a version is two or three numbers with dots between them, such as 7.2 or 7.2.1")]
pub struct VersionError;

impl Version {
    /// The version as clients write it.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the list of versions names it. The vendor's Python client splits each listed version into exactly two numbers,
    /// and fails at any other.
    pub(super) fn is_listed(&self) -> bool {
        self.numbers.len() == 2
    }

    /// The form in which clients of this version read events.
    pub(super) fn event_form(&self) -> EventForm {
        if self.numbers[..2] <= [6, 5][..] { EventForm::Array } else { EventForm::Single }
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.numbers.cmp(&other.numbers)
    }
}

impl FromStr for Version {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, VersionError> {
        let number = |part: &str| {
            let is_plain = part.bytes().all(|byte| byte.is_ascii_digit()) && (part == "0" || !part.starts_with('0'));
            part.parse::<u16>().ok().filter(|_| is_plain)
        };
        let numbers: Option<Arc<[u16]>> = text.split('.').map(number).collect();
        let numbers = numbers.filter(|numbers| (2..=3).contains(&numbers.len())).ok_or(VersionError)?;
        Ok(Self { text: text.into(), numbers })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// How an event is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum EventForm {
    /// `{"events":[{…}],…}`, up to version 6.5.
    Array,
    /// `{"event":{…},…}`.
    Single,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_two_or_three_numbers() {
        for good in ["7.2", "7.2.1", "6.5", "10.0", "0.0"] {
            assert_eq!(good.parse::<Version>().unwrap().to_string(), good);
        }
        for bad in ["", "7", "7.", ".2", "7.2.1.0", "7.x", "07.2", "7.02", "+7.2", "7.70000", " 7.2", "v7.2"] {
            assert_eq!(bad.parse::<Version>(), Err(VersionError), "{bad}");
        }
    }

    #[test]
    fn versions_are_ordered_by_their_numbers() {
        let mut versions: Vec<Version> =
            ["7.10", "7.2.1", "6.5", "7.2", "10.0"].map(|text| text.parse().unwrap()).into();
        versions.sort();
        let texts: Vec<&str> = versions.iter().map(Version::as_str).collect();
        assert_eq!(texts, ["6.5", "7.2", "7.2.1", "7.10", "10.0"]);
        let listed: Vec<&str> = versions.iter().filter(|version| version.is_listed()).map(Version::as_str).collect();
        assert_eq!(listed, ["6.5", "7.2", "7.10", "10.0"]);
    }

    #[test]
    fn versions_up_to_6_5_get_arrays_of_events() {
        for (version, form) in [
            ("5.10", EventForm::Array),
            ("6.4", EventForm::Array),
            ("6.5", EventForm::Array),
            ("6.5.9", EventForm::Array),
            ("6.6", EventForm::Single),
            ("6.10", EventForm::Single),
            ("7.0", EventForm::Single),
            ("7.2.1", EventForm::Single),
        ] {
            assert_eq!(version.parse::<Version>().unwrap().event_form(), form, "{version}");
        }
    }
}
