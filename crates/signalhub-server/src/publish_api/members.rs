//! The members of a JSON object, taken one by one, with an answer for each that is not what was expected.

use std::collections::BTreeMap;

use portos_notifications::parse_timestamp;
use serde_json::value::RawValue;
use signalhub::events::{EventName, NameError};
use time::OffsetDateTime;

use super::problem::{Problem, ProblemCode};

/// The members of an object that were not taken yet; of one given twice, the last.
pub(super) struct Members<'a> {
    /// What stands before their names in texts, such as `s.u.`.
    path: String,
    members: BTreeMap<String, &'a RawValue>,
}

impl<'a> Members<'a> {
    pub(super) fn read(path: &str, object: &'a RawValue) -> Result<Self, Problem> {
        match serde_json::from_str(object.get()) {
            Ok(members) => Ok(Self { path: path.to_owned(), members }),
            Err(error) if object.get().starts_with('{') => {
                let detail = format!("{path} the name of a member cannot be read: {error}").trim_start().to_owned();
                Err(Problem::new(ProblemCode::InvalidMember, detail))
            }
            Err(_) => Err(invalid(path.trim_end_matches('.'), "an object", object)),
        }
    }

    pub(super) fn required<T>(
        &mut self,
        name: &str,
        expected: &str,
        read: impl Fn(&'a RawValue) -> Option<T>,
    ) -> Result<T, Problem> {
        let path = format!("{}{name}", self.path);
        let Some(value) = self.members.remove(name) else {
            return Err(Problem::new(
                ProblemCode::MissingMember,
                format!("{path}: expected {expected}, found nothing"),
            ));
        };
        read(value).ok_or_else(|| invalid(&path, expected, value))
    }

    pub(super) fn optional<T>(
        &mut self,
        name: &str,
        expected: &str,
        read: impl Fn(&'a RawValue) -> Option<T>,
    ) -> Result<Option<T>, Problem> {
        let Some(value) = self.members.remove(name).filter(|value| value.get() != "null") else { return Ok(None) };
        let path = format!("{}{name}", self.path);
        read(value).map(Some).ok_or_else(|| invalid(&path, &format!("{expected} or null"), value))
    }

    pub(super) fn object(&mut self, name: &str) -> Result<Option<Self>, Problem> {
        let Some(value) = self.members.remove(name).filter(|value| value.get() != "null") else { return Ok(None) };
        Self::read(&format!("{}{name}.", self.path), value).map(Some)
    }

    /// The names of the members that nobody took.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.members.keys().map(String::as_str)
    }

    /// Refuses members that nobody took, because a misspelt one must not be overlooked.
    pub(super) fn finish(self, known: &str) -> Result<(), Problem> {
        match self.members.keys().next() {
            None => Ok(()),
            Some(name) => {
                let detail = format!("unknown member \"{}{name}\": expected {known}", self.path);
                Err(Problem::new(ProblemCode::UnknownMember, detail))
            }
        }
    }
}

/// Checks that the name of an event, a resource or an organisation is not too long.
pub(super) fn check_length(path: &str, name: &str, code: ProblemCode) -> Result<(), Problem> {
    match name.parse::<EventName>() {
        Err(error @ NameError::TooLong(_)) => Err(Problem::new(code, format!("{path}: {error}"))),
        _ => Ok(()),
    }
}

pub(super) fn string(value: &RawValue) -> Option<String> {
    serde_json::from_str(value.get()).ok()
}

pub(super) fn name(value: &RawValue) -> Option<String> {
    string(value).filter(|name| !name.is_empty())
}

pub(super) fn invalid(path: &str, expected: &str, found: &RawValue) -> Problem {
    Problem::new(ProblemCode::InvalidMember, format!("{path}: expected {expected}, found {}", kind(found)))
}

pub(super) fn kind(value: &RawValue) -> &str {
    match value.get().as_bytes().first() {
        Some(b'{') => "an object",
        Some(b'[') => "an array",
        Some(b'"') if value.get() == "\"\"" => "an empty string",
        Some(b'"') if string(value).is_none() => "a string with half a surrogate pair",
        Some(b'"') => "a string",
        Some(b'-' | b'0'..=b'9') => "a number",
        _ => value.get(),
    }
}

pub(super) fn timestamp(value: &RawValue) -> Option<OffsetDateTime> {
    parse_timestamp(&string(value)?).ok()
}
