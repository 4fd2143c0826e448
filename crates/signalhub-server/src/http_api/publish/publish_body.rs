//! Reads publish bodies. Invalid ones become problems.

use portos_notifications::PublishBody;
use portos_notifications::broker::EventError;
use portos_notifications::members::{MemberError, kind};
use serde_json::value::RawValue;
use signalhub::events::{EventName, NameError};

use super::authorize::Publisher;
use crate::http_api::problem::{Problem, ProblemCode};

/// Reads one body.
pub(crate) fn read(value: &RawValue) -> Result<PublishBody, Problem> {
    if !value.get().starts_with('{') {
        let detail = format!("expected an object with the members e and p, found {}", kind(value));
        return Err(Problem::new(ProblemCode::InvalidNotification, detail));
    }
    let body = PublishBody::read(value)?;
    check_lengths(&body, "e")?;
    Ok(body)
}

/// Checks the lengths of the names that clients are matched by; `event` is the member that holds the name of the event.
pub(super) fn check_lengths(body: &PublishBody, event: &str) -> Result<(), Problem> {
    check_length(event, &body.event)?;
    body.organisation.as_ref().map_or(Ok(()), |name| check_length("org", name))
}

fn check_length(path: &str, name: &str) -> Result<(), Problem> {
    match name.parse::<EventName>() {
        Err(error @ NameError::TooLong(_)) => Err(Problem::new(ProblemCode::InvalidMember, format!("{path}: {error}"))),
        _ => Ok(()),
    }
}

/// Converts the error of a body that cannot become an event. The problem names only events that the publisher may publish.
pub(super) fn no_event(publisher: &Publisher, error: EventError) -> Problem {
    match error {
        EventError::Catalogue(error) => publisher.unknown_event("e", error),
        error => Problem::new(ProblemCode::InvalidPayload, error.to_string()),
    }
}

impl From<MemberError> for Problem {
    fn from(error: MemberError) -> Self {
        let code = match error {
            MemberError::Missing { .. } => ProblemCode::MissingMember,
            MemberError::Unknown { .. } => ProblemCode::UnknownMember,
            _ => ProblemCode::InvalidMember,
        };
        Self::new(code, error.to_string())
    }
}
