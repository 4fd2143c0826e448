//! The members of a JSON object, taken one by one, with an error for each that is not what was expected.
//!
//! The types of this crate that publishers write are read with it. A server reads other bodies with it as well, so that all its errors
//! have one form.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;
use time::OffsetDateTime;

use crate::timestamp::parse_timestamp;

/// Holds the members of an object that have not been taken yet, in the order in which they were given. Of a member that was given
/// twice, the last one counts.
#[derive(Debug)]
pub struct Members<'a> {
    /// Stands before the names in errors, such as `s.u.`.
    path: String,
    members: Vec<(String, &'a RawValue)>,
    asked: Vec<&'static str>,
}

impl<'a> Members<'a> {
    /// Reads the members of an object. `path` stands before their names in errors: empty, or such as `s.u.`.
    ///
    /// # Errors
    /// Refuses what is no object, and names that cannot be read.
    pub fn read(path: &str, object: &'a RawValue) -> Result<Self, MemberError> {
        let members = match serde_json::from_str(object.get()) {
            Ok(Pairs(members)) => members,
            Err(error) if object.get().starts_with('{') => {
                return Err(MemberError::Name { path: path.to_owned(), error });
            }
            Err(_) => return Err(invalid(path.trim_end_matches('.'), "an object", object)),
        };
        Ok(Self { path: path.to_owned(), members, asked: Vec::new() })
    }

    /// Takes a member as it was given; `None` if it is not there.
    pub fn take(&mut self, name: &'static str) -> Option<&'a RawValue> {
        self.asked.push(name);
        let mut last = None;
        self.members.retain(|(known, value)| {
            let is_wanted = known == name;
            if is_wanted {
                last = Some(*value);
            }
            !is_wanted
        });
        last
    }

    /// Takes a member that must be there. `expected` says what it is, and `read` is `None` where it is something else.
    ///
    /// # Errors
    /// Refuses an object without the member, and a value that `read` refuses.
    pub fn required<T>(
        &mut self,
        name: &'static str,
        expected: &str,
        read: impl Fn(&'a RawValue) -> Option<T>,
    ) -> Result<T, MemberError> {
        let path = self.path_of(name);
        match self.take(name) {
            None => Err(MemberError::Missing { path, expected: expected.to_owned() }),
            Some(value) => read(value).ok_or_else(|| invalid(&path, expected, value)),
        }
    }

    /// Takes an optional member; absent and null give `None`.
    ///
    /// # Errors
    /// Refuses a value that `read` refuses.
    pub fn optional<T>(
        &mut self,
        name: &'static str,
        expected: &str,
        read: impl Fn(&'a RawValue) -> Option<T>,
    ) -> Result<Option<T>, MemberError> {
        let Some(value) = self.take(name).filter(|value| value.get() != "null") else { return Ok(None) };
        let wrong = || invalid(&self.path_of(name), &format!("{expected} or null"), value);
        read(value).map(Some).ok_or_else(wrong)
    }

    /// Takes a member that is an object, or absent or null, which both are `None`.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn object(&mut self, name: &'static str) -> Result<Option<Self>, MemberError> {
        let Some(value) = self.take(name).filter(|value| value.get() != "null") else { return Ok(None) };
        Self::read(&format!("{}.", self.path_of(name)), value).map(Some)
    }

    /// Returns the names that were asked for so far, in that order: after reading, all members that the object may have.
    #[must_use]
    pub fn asked(&self) -> &[&'static str] {
        &self.asked
    }

    /// Lists the names of the members that were not taken, in alphabetical order, each once.
    #[must_use]
    pub fn remaining(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.members.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Refuses members that were not asked for, so that a misspelt one is not overlooked.
    ///
    /// # Errors
    /// Names the first unknown member, and all that are known.
    pub fn finish(self) -> Result<(), MemberError> {
        match self.remaining().first() {
            None => Ok(()),
            Some(name) => Err(MemberError::Unknown { path: self.path_of(name), known: list(&self.asked) }),
        }
    }

    /// Writes an object of these members, each with its JSON, and of those that were not taken behind them.
    pub(crate) fn write(self, documented: &[(&str, &str)]) -> String {
        let documented = documented.iter().map(|(name, json)| format!("\"{name}\":{json}"));
        let others = self.members.into_iter().map(|(name, value)| format!("{}:{value}", Value::from(name)));
        format!("{{{}}}", documented.chain(others).collect::<Vec<_>>().join(","))
    }

    /// Returns a name with what stands before it in errors.
    pub(crate) fn path_of(&self, name: &str) -> String {
        format!("{}{name}", self.path)
    }
}

/// Tells what is wrong with a member.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MemberError {
    /// A required member is not there.
    #[error("{path}: expected {expected}, found nothing")]
    Missing {
        /// The path of the member, such as `s.u.d`.
        path: String,
        /// What was expected.
        expected: String,
    },
    /// A member is not what was expected.
    #[error("{path}: expected {expected}, found {found}")]
    Invalid {
        /// The path of the member, such as `s.u.d`.
        path: String,
        /// What was expected.
        expected: String,
        /// What was found, in words.
        found: String,
    },
    /// There is no such member.
    #[error("unknown member \"{path}\": expected {known}")]
    Unknown {
        /// The path of the member, such as `s.u.x`.
        path: String,
        /// The members that exist, in words.
        known: String,
    },
    /// The name of a member is no text.
    #[error("{}", format!("{path} the name of a member cannot be read: {error}").trim_start())]
    Name {
        /// The path of the object, such as `s.u.`.
        path: String,
        /// The error of the JSON parser.
        error: serde_json::Error,
    },
}

/// Reads any text.
#[must_use]
pub fn text(value: &RawValue) -> Option<String> {
    serde_json::from_str(value.get()).ok()
}

/// Reads a text that is not empty.
#[must_use]
pub fn name(value: &RawValue) -> Option<String> {
    text(value).filter(|name| !name.is_empty())
}

/// Describes what [`timestamp`] reads, to stand after "expected".
pub const TIMESTAMP: &str = "a time such as \"2024-07-01T12:51:52.558Z\"";

/// Reads a time with any offset.
#[must_use]
pub fn timestamp(value: &RawValue) -> Option<OffsetDateTime> {
    parse_timestamp(&text(value)?).ok()
}

/// Describes the kind of a value, to stand after "found".
#[must_use]
pub fn kind(value: &RawValue) -> &str {
    match value.get().as_bytes().first() {
        Some(b'{') => "an object",
        Some(b'[') => "an array",
        Some(b'"') if value.get() == "\"\"" => "an empty string",
        Some(b'"') if text(value).is_none() => "a string with half a surrogate pair",
        Some(b'"') => "a string",
        Some(b'-' | b'0'..=b'9') => "a number",
        _ => value.get(),
    }
}

fn invalid(path: &str, expected: &str, found: &RawValue) -> MemberError {
    MemberError::Invalid { path: path.to_owned(), expected: expected.to_owned(), found: kind(found).to_owned() }
}

/// Writes a list such as `e, p or s`.
fn list(names: &[&str]) -> String {
    match names.split_last() {
        None => "no member".to_owned(),
        Some((only, [])) => (*only).to_owned(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
    }
}

struct Pairs<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Pairs<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;

        impl<'de> Visitor<'de> for InOrder {
            type Value = Pairs<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }

        deserializer.deserialize_map(InOrder)
    }
}
