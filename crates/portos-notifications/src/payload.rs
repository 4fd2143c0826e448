//! Payloads of publishers, checked and brought into the documented form.

use serde_json::value::RawValue;

use crate::action::Action;
use crate::licence_activated::LICENCE_ACTIVATED;
use crate::members::{MemberError, Members};
use crate::resource_changed::RESOURCES_CHANGED;

/// Holds a payload of one of the two Portos events in the documented form.
///
/// The members that Portos documents stand first, in the documented order and with the documented nulls; what else the
/// publisher gave follows as it was given, so that nothing is lost and no client is surprised. A documented member given
/// twice counts as given last. A missing `f` becomes null, a missing `r` `[]`; every other documented member must be there.
/// The licence of `portos.licence.activated` goes out as it was given.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CanonicalPayload {
    /// The payload.
    pub payload: Box<RawValue>,
    /// The resource it is about, for `portos.resources.changed`.
    pub resource: Option<String>,
    /// What happened to it, for `portos.resources.changed`.
    pub action: Option<Action>,
}

impl CanonicalPayload {
    /// Checks the payload of an event and brings it into the documented form; `None` for events that are not of Portos.
    ///
    /// # Errors
    /// Names where the payload is not what Portos documents, and what was expected there.
    pub fn check(event: &str, payload: &RawValue) -> Result<Option<Self>, PayloadError> {
        match event {
            RESOURCES_CHANGED => resource_changed(payload).map(Some),
            LICENCE_ACTIVATED if is_object(payload) => {
                Ok(Some(Self { payload: payload.to_owned(), resource: None, action: None }))
            }
            LICENCE_ACTIVATED => Err(unexpected("p", "a licence object", Some(payload))),
            _ => Ok(None),
        }
    }
}

/// Tells where a payload is not what Portos documents.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PayloadError {
    /// Something else stands where a value was expected.
    #[error("{at}: expected {expected}, found {found}")]
    Unexpected {
        /// The path from the publish body, such as `p.i.v`.
        at: String,
        /// What was expected there.
        expected: &'static str,
        /// What was found there.
        found: String,
    },
    /// A member of the payload of a custom event is not what was expected.
    #[error(transparent)]
    Member(#[from] MemberError),
    /// It could not be read or written as JSON.
    #[error("payload: {0}")]
    Json(#[from] serde_json::Error),
}

/// Reads what the payload of a custom event is about: its members `n`, the name of a resource, and `a`, the number of an action, as in
/// `portos.resources.changed`.
///
/// # Errors
/// Names the one that is missing or not what was expected.
#[cfg(feature = "broker")]
pub(crate) fn resource_and_action(payload: &RawValue) -> Result<(String, Action), PayloadError> {
    let mut members = Members::read("p.", payload)?;
    let resource = members.required("n", "the name of a resource", crate::members::name)?;
    Ok((resource, members.required("a", ACTION, action)?))
}

/// Describes what [`action`] reads, to stand after "expected".
const ACTION: &str = "1 (created), 2 (updated) or 3 (deleted)";

fn action(code: &RawValue) -> Option<Action> {
    Action::try_from(code.get().parse::<u8>().ok()?).ok()
}

fn resource_changed(payload: &RawValue) -> Result<CanonicalPayload, PayloadError> {
    let mut members = members("p.", payload)?;
    let user = members.take("u");
    let user = identity(user.ok_or_else(|| unexpected("p.u", "an object", None))?)?;
    let name = members.take("n");
    let named = name.filter(|name| is_string(name) && name.get() != "\"\"");
    let name = named.ok_or_else(|| unexpected("p.n", "the name of a resource", name))?.get();
    let resource: String = serde_json::from_str(name)?;
    let code = members.take("a");
    let action = code.and_then(action).ok_or_else(|| unexpected("p.a", ACTION, code))?;
    let info = members.take("i");
    let info = info_json(info.ok_or_else(|| unexpected("p.i", "an object", None))?)?;
    let resources = members.take("r").filter(|resources| resources.get() != "null");
    let resources = resources.map_or(Ok("[]"), objects)?;
    let code = u8::from(action).to_string();
    let json = members.write(&[("u", &user), ("n", name), ("a", &code), ("i", &info), ("r", resources)]);
    Ok(CanonicalPayload { payload: RawValue::from_string(json)?, resource: Some(resource), action: Some(action) })
}

fn identity(raw: &RawValue) -> Result<String, PayloadError> {
    let mut members = members("p.u.", raw)?;
    let (user, device) = (string(&mut members, "u")?, string(&mut members, "d")?);
    let feature = match members.take("f") {
        None => "null",
        Some(feature) if feature.get() == "null" || is_string(feature) => feature.get(),
        Some(other) => return Err(unexpected("p.u.f", "a string or null", Some(other))),
    };
    Ok(members.write(&[("u", user), ("d", device), ("f", feature)]))
}

fn info_json(raw: &RawValue) -> Result<String, PayloadError> {
    let mut members = members("p.i.", raw)?;
    let (id, name) = (string(&mut members, "i")?, string(&mut members, "n")?);
    let version = members.take("v");
    let integer = version.filter(|version| version.get().parse::<i64>().is_ok());
    let version = integer.ok_or_else(|| unexpected("p.i.v", "an integer", version))?.get();
    Ok(members.write(&[("i", id), ("n", name), ("v", version)]))
}

fn objects(raw: &RawValue) -> Result<&str, PayloadError> {
    if !raw.get().starts_with('[') {
        return Err(unexpected("p.r", "an array of objects", Some(raw)));
    }
    let elements: Vec<&RawValue> = serde_json::from_str(raw.get())?;
    match elements.iter().position(|element| !is_object(element)) {
        Some(index) => Err(unexpected(&format!("p.r[{index}]"), "an object", Some(elements[index]))),
        None => Ok(raw.get()),
    }
}

/// Reads the members of an object of a payload.
fn members<'a>(path: &str, object: &'a RawValue) -> Result<Members<'a>, PayloadError> {
    Members::read(path, object).map_err(|error| match error {
        MemberError::Name { error, .. } => PayloadError::Json(error),
        _ => unexpected(path.trim_end_matches('.'), "an object", Some(object)),
    })
}

/// Takes a text as it was spelt.
fn string<'a>(members: &mut Members<'a>, name: &'static str) -> Result<&'a str, PayloadError> {
    let value = members.take(name);
    let string = value.filter(|value| is_string(value));
    string.map(RawValue::get).ok_or_else(|| unexpected(&members.path_of(name), "a string", value))
}

fn is_object(raw: &RawValue) -> bool {
    raw.get().starts_with('{')
}

fn is_string(raw: &RawValue) -> bool {
    raw.get().starts_with('"')
}

fn unexpected(at: &str, expected: &'static str, found: Option<&RawValue>) -> PayloadError {
    let found = match found.map(RawValue::get) {
        None => "nothing".to_owned(),
        Some(text) => match text.as_bytes().first() {
            Some(b'{') => "an object".to_owned(),
            Some(b'[') => "an array".to_owned(),
            Some(b'"') if text == "\"\"" => "an empty string".to_owned(),
            Some(b'"') => "a string".to_owned(),
            // A number can have any count of digits: a long one is not repeated.
            Some(b'-' | b'0'..=b'9') if text.len() > 20 => "a number".to_owned(),
            _ => text.to_owned(),
        },
    };
    PayloadError::Unexpected { at: at.to_owned(), expected, found }
}

#[cfg(test)]
mod tests;
