//! The payload of `smc.elements.changed`: what happened to which element.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};
use serde_json::value::RawValue;
use signalhub_events::{Action, Event};

use super::element::{ElementType, is_element_id};
use super::selection::shortened;

/// The name of the event.
pub const ELEMENTS_CHANGED: &str = "smc.elements.changed";

/// What the payload has to be.
const EXPECTED: &str = "expected {\"n\": the element type, \"a\": 1 (created), 2 (updated) or 3 (deleted), \"id\": the id of the \
     element, \"type\": the event type (optional), \"body\": the element as an object (optional)}";

/// The type of an event, as clients read it (the client's `EVENT_ACTIONS`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ChangeType {
    Create,
    Update,
    Delete,
    Trashed,
    Untrashed,
    Validating,
    Validated,
}

impl ChangeType {
    const ALL: [Self; 7] =
        [Self::Create, Self::Update, Self::Delete, Self::Trashed, Self::Untrashed, Self::Validating, Self::Validated];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::Trashed => "trashed",
            Self::Untrashed => "untrashed",
            Self::Validating => "validating",
            Self::Validated => "validated",
        }
    }

    /// The action by which other subscribers filter the event.
    fn action(self) -> Action {
        match self {
            Self::Create | Self::Untrashed => Action::Created,
            Self::Update | Self::Validating | Self::Validated => Action::Updated,
            Self::Delete | Self::Trashed => Action::Deleted,
        }
    }

    /// The type of an event whose publisher names none.
    fn of(action: Action) -> Self {
        match action {
            Action::Created => Self::Create,
            Action::Deleted => Self::Delete,
            _ => Self::Update,
        }
    }
}

/// What happened to an element.
#[derive(Debug)]
pub(super) struct Change<'a> {
    pub(super) change_type: ChangeType,
    pub(super) id: Cow<'a, str>,
    /// The element as its publisher gave it, for clients that ask for it.
    pub(super) body: Option<&'a RawValue>,
}

/// Why the payload of an event is refused.
#[derive(Debug, thiserror::Error)]
pub(super) enum ChangeError {
    #[error("{0}; {EXPECTED}")]
    Members(#[from] serde_json::Error),
    #[error("p.n: expected the element type that the event is about, as its resource")]
    OtherResource,
    #[error("p.n: unknown element type \"{0}\": dialects.smc.element_types lists those that exist")]
    UnknownType(String),
    #[error("p.id: expected a number, or 1 to 64 letters, digits and the characters - _ . ~")]
    Id,
    #[error("p.type: expected one of create, update, delete, trashed, untrashed, validating and validated")]
    Type,
    #[error("p.type: \"{}\" belongs to the action \"{}\", not to \"{given}\" as p.a tells", .change.as_str(), .change.action())]
    Contradiction { change: ChangeType, given: Action },
    #[error("p.body: expected the element as an object")]
    Body,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Members<'a> {
    #[serde(borrow)]
    n: Cow<'a, str>,
    a: u8,
    #[serde(borrow)]
    id: Id<'a>,
    #[serde(borrow, rename = "type")]
    change_type: Option<Cow<'a, str>>,
    #[serde(borrow)]
    body: Option<&'a RawValue>,
}

impl<'a> Change<'a> {
    /// Reads the payload of an event about an element whose type `is_known`.
    pub(super) fn read(event: &'a Event, is_known: impl Fn(&str) -> bool) -> Result<Self, ChangeError> {
        let Members { n, a, id: Id(id), change_type, body } = serde_json::from_slice(&event.payload)?;
        if event.resource.as_ref().is_none_or(|resource| resource.as_str() != n) {
            return Err(ChangeError::OtherResource);
        }
        if !is_known(&n) {
            return Err(ChangeError::UnknownType(shortened(&n)));
        }
        if !is_element_id(&id) {
            return Err(ChangeError::Id);
        }
        let given = match a {
            1 => Action::Created,
            2 => Action::Updated,
            3 => Action::Deleted,
            _ => return Err(<serde_json::Error as de::Error>::custom("a is another number").into()),
        };
        let change = match change_type {
            None => ChangeType::of(given),
            Some(word) => ChangeType::ALL.into_iter().find(|known| known.as_str() == word).ok_or(ChangeError::Type)?,
        };
        if change.action() != given {
            return Err(ChangeError::Contradiction { change, given });
        }
        let body = body.filter(|body| body.get() != "null");
        if body.is_some_and(|body| !body.get().starts_with('{')) {
            return Err(ChangeError::Body);
        }
        Ok(Self { change_type: change, id, body })
    }
}

/// The id of an element, which is a number or a text.
struct Id<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Id<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;

        impl<'de> Visitor<'de> for Reader {
            type Value = Cow<'de, str>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the id of an element")
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Self::Value, E> {
                Ok(number.to_string().into())
            }

            fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(text.into())
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(text.to_owned().into())
            }
        }

        deserializer.deserialize_any(Reader).map(Self)
    }
}

/// Checks an event when it is published.
pub(super) fn check(event: &Event, is_known: impl Fn(&str) -> bool) -> Result<(), String> {
    Change::read(event, is_known).map(drop).map_err(|error| error.to_string())
}

/// Tells whether a text is the name of a type that could exist.
pub(super) fn is_element_type(name: &str) -> bool {
    name.parse::<ElementType>().is_ok()
}

#[cfg(test)]
mod tests {
    use signalhub_events::EventName;

    use super::*;

    fn event(payload: &str) -> Event {
        Event::new(EventName::new(ELEMENTS_CHANGED), payload.to_owned()).with_resource("host".into())
    }

    fn check(payload: &str, expected: Result<(&str, &str, Option<&str>), &str>) {
        let event = event(payload);
        match (Change::read(&event, |name| name == "host"), expected) {
            (Ok(change), Ok(expected)) => {
                let found = (change.change_type.as_str(), &*change.id, change.body.map(RawValue::get));
                assert_eq!(found, expected, "{payload}");
            }
            (Err(error), Err(expected)) => assert!(error.to_string().contains(expected), "{payload}: {error}"),
            (read, _) => panic!("{payload}: {read:?}"),
        }
    }

    #[test]
    fn each_event_type_belongs_to_an_action() {
        for (a, change_type, expected) in [
            (1, None, "create"),
            (2, None, "update"),
            (3, None, "delete"),
            (1, Some("create"), "create"),
            (1, Some("untrashed"), "untrashed"),
            (2, Some("update"), "update"),
            (2, Some("validating"), "validating"),
            (2, Some("validated"), "validated"),
            (3, Some("delete"), "delete"),
            (3, Some("trashed"), "trashed"),
        ] {
            let member = change_type.map_or_else(String::new, |word| format!(r#","type":"{word}""#));
            check(&format!(r#"{{"n":"host","a":{a},"id":1732{member}}}"#), Ok((expected, "1732", None)));
        }
        check(r#"{"n":"host","a":1,"id":1,"type":"trashed"}"#, Err(r#""trashed" belongs to the action "deleted""#));
        check(r#"{"n":"host","a":1,"id":1,"type":"created"}"#, Err("p.type: expected one of create, "));
    }

    #[test]
    fn ids_are_numbers_or_plain_texts_and_bodies_objects() {
        check(r#"{"n":"host","a":2,"id":"ab-1"}"#, Ok(("update", "ab-1", None)));
        check(r#"{"n":"host","a":2,"id":"\u0031"}"#, Ok(("update", "1", None)));
        check(r#"{"body":{ "x": 1.0 },"n":"host","a":2,"id":0}"#, Ok(("update", "0", Some(r#"{ "x": 1.0 }"#))));
        check(r#"{"n":"host","a":2,"id":1,"body":null,"type":null}"#, Ok(("update", "1", None)));
        for id in [r#""""#, r#""a/b""#, r#""..""#, r#""a\"b""#] {
            check(&format!(r#"{{"n":"host","a":2,"id":{id}}}"#), Err("p.id: expected a number, or 1 to 64 "));
        }
        for body in ["[]", "1", r#""{}""#] {
            check(
                &format!(r#"{{"n":"host","a":2,"id":1,"body":{body}}}"#),
                Err("p.body: expected the element as an object"),
            );
        }
    }

    #[test]
    fn a_wrong_payload_is_told_what_was_expected() {
        for payload in [
            "[]",
            "7",
            "{}",
            r#"{"n":"host","a":2}"#,
            r#"{"n":"host","a":4,"id":1}"#,
            r#"{"n":"host","a":"created","id":1}"#,
            r#"{"n":"host","a":2,"id":-1}"#,
            r#"{"n":"host","a":2,"id":1.5}"#,
            r#"{"n":"host","a":2,"id":1,"i":1}"#,
            r#"{"n":"host","n":"host","a":2,"id":1}"#,
        ] {
            check(payload, Err(EXPECTED));
        }
        check(r#"{"n":"router","a":2,"id":1}"#, Err("as its resource"));
        let unknown = event(r#"{"n":"host","a":2,"id":1}"#);
        let error = Change::read(&unknown, |_| false).unwrap_err().to_string();
        assert!(error.contains("unknown element type \"host\""), "{error}");
    }
}
