//! A CloudEvent in the JSON format, and the publish body that it stands for (CloudEvents 1.0.2).

use portos_notifications::PublishBody;
use portos_notifications::members::{MemberError, Members, TIMESTAMP, kind, name, text, timestamp};
use serde_json::value::RawValue;
use signalhub::events::TraceParent;

use super::publish_body::check_lengths;
use crate::http_api::problem::{Problem, ProblemCode};

/// The only supported version.
const VERSION: &str = "1.0";

/// The content of a CloudEvent.
#[derive(Debug)]
pub(crate) struct CloudEvent {
    pub(crate) body: PublishBody,
    /// Together these two tell a repeat from a new event (CloudEvents, id).
    pub(crate) source: String,
    pub(crate) id: String,
    /// The trace that the event itself names (CloudEvents, Distributed Tracing extension).
    pub(crate) trace: Option<TraceParent>,
    /// What belongs to that trace, not read here.
    pub(crate) trace_state: Option<String>,
}

impl CloudEvent {
    /// Reads one CloudEvent. Unknown attributes are ignored, as the specification requires.
    pub(crate) fn read(value: &RawValue) -> Result<Self, Problem> {
        if !value.get().starts_with('{') {
            let detail = format!("expected a CloudEvent, an object, found {}", kind(value));
            return Err(Problem::new(ProblemCode::InvalidNotification, detail));
        }
        let mut members = Members::read("", value)?;
        let event = Self::take(&mut members)?;
        check_names(&members)?;
        check_lengths(&event.body, "type")?;
        Ok(event)
    }

    /// Takes the attributes that have a meaning here.
    pub(crate) fn take(members: &mut Members<'_>) -> Result<Self, MemberError> {
        members.required("specversion", "\"1.0\"", |value| text(value).filter(|version| version == VERSION))?;
        let id = members.required("id", "the id of the event", name)?;
        let source = members.required("source", "the URI of the event's source", name)?;
        let event = members.required("type", "the name of an event", name)?;
        members.optional("datacontenttype", "a content type of JSON", json_type)?;
        members.optional("dataschema", "a URI", name)?;
        members.optional("subject", "a text that is not empty", name)?;
        // The server sets the time of creation; the source's time is only checked.
        members.optional("time", TIMESTAMP, timestamp)?;
        let expires = members.optional("expirytime", TIMESTAMP, timestamp)?;
        let organisation = members.optional("org", "the name of an organisation", name)?;
        let payload = members.optional("data", "JSON", Some)?.unwrap_or(RawValue::NULL);
        let trace = members.optional("traceparent", "a traceparent", |value| Some(traceparent(value)))?.flatten();
        let trace_state = members.optional("tracestate", "a tracestate", |value| Some(text(value)))?.flatten();
        // A source is a URI, not a user, so the server fills in the sender.
        let body = PublishBody { event, payload: payload.to_owned(), expires, organisation, sender: None };
        Ok(Self { body, source, id, trace, trace_state })
    }
}

/// Renames the members in a problem to those of a CloudEvent.
pub(super) fn in_its_words(mut problem: Problem) -> Problem {
    problem.detail = match problem.detail.split_at_checked(2) {
        Some(("p:", rest)) => format!("data:{rest}"),
        Some(("p.", rest)) => format!("data.{rest}"),
        Some(("e:", rest)) => format!("type:{rest}"),
        _ => return problem,
    };
    problem
}

/// Reads a trace; what is malformed is ignored, as in a header.
fn traceparent(value: &RawValue) -> Option<TraceParent> {
    TraceParent::from_traceparent(text(value)?.as_bytes())
}

/// JSON, by its own name or as the base of another type.
fn json_type(value: &RawValue) -> Option<String> {
    text(value).filter(|name| {
        let essence = name.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        essence == "application/json" || essence == "text/json" || essence.ends_with("+json")
    })
}

/// Refuses invalid attribute names, because they are most likely misspelt.
fn check_names(members: &Members<'_>) -> Result<(), Problem> {
    for name in members.remaining() {
        if name == "data_base64" {
            let detail = "data_base64: binary data is not supported: expected data, with JSON";
            return Err(Problem::new(ProblemCode::InvalidMember, detail));
        }
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()) {
            let detail = format!("unknown member \"{name}\": expected names of lower-case letters and digits");
            return Err(Problem::new(ProblemCode::UnknownMember, detail));
        }
    }
    Ok(())
}
