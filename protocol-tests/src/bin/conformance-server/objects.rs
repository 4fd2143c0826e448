//! The types of the recorded hubs' parameters and results, as clients see them.

use std::fmt;

use serde::de::{self, Deserializer, Error};
use serde::{Deserialize, Serialize};
use signalhub::protocol::{DateTime, Zone};
use time::macros::datetime;

/// An object with one property of each common kind; those that are missing keep their defaults.
///
/// JSON reads their names in any case, MessagePack only as they are.
#[derive(Deserialize, Serialize)]
#[serde(default, rename_all(deserialize = "PascalCase"))]
pub(crate) struct ComplexObject {
    id: i32,
    name: Option<String>,
    created: DateTime,
    key: Guid,
    values: Option<Vec<i32>>,
}

impl Default for ComplexObject {
    fn default() -> Self {
        Self {
            id: 0,
            name: None,
            created: DateTime { time: datetime!(0001-01-01 00:00), zone: Zone::Unspecified },
            key: Guid("00000000-0000-0000-0000-000000000000".to_owned()),
            values: None,
        }
    }
}

/// Text of 32 hexadecimal digits in groups, read in any case and written in lower case.
#[derive(Serialize)]
struct Guid(String);

impl<'de> Deserialize<'de> for Guid {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(GuidText)
    }
}

struct GuidText;

impl de::Visitor<'_> for GuidText {
    type Value = Guid;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a GUID")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Guid, E> {
        let lengths = text.split('-').map(str::len);
        let digits = text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
        if digits && lengths.eq([8, 4, 4, 4, 12]) {
            Ok(Guid(text.to_ascii_lowercase()))
        } else {
            Err(E::custom("no GUID"))
        }
    }
}
