//! What an explanation is asked for.

use serde::{Deserialize, Serialize};
use signalhub::events::{Action, Event, EventName, Organisation, ResourceName};

use crate::http_api::problem::{Problem, ProblemCode};

/// The body of a request.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(in crate::http_api::admin) struct Request {
    event: String,
    resource: Option<String>,
    action: Option<String>,
    organisation: Option<String>,
    user: Option<String>,
    connection: Option<String>,
    position: Option<String>,
}

/// An event and a client.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) event: Event,
    pub(super) subject: Subject,
    /// The position of an event that was published; of that, the event above has the name only.
    pub(super) position: Option<String>,
}

/// Whose connections are explained.
#[derive(Debug)]
pub(super) enum Subject {
    User(String),
    Connection(String),
}

impl Question {
    /// Reads a request. An empty text is the same as none, as in a form that was left empty.
    pub(super) fn read(request: Request) -> Result<Self, Problem> {
        let invalid = |detail: &str| Problem::new(ProblemCode::InvalidMember, detail);
        let Request { event, resource, action, organisation, user, connection, position } = request;
        let [resource, action, organisation, user, connection, position] =
            [resource, action, organisation, user, connection, position]
                .map(|text| text.filter(|text| !text.is_empty()));
        let name: EventName = event.parse().map_err(|error| invalid(&format!("event: {error}")))?;
        let subject = match (user, connection) {
            (Some(user), None) => Subject::User(user),
            (None, Some(connection)) => Subject::Connection(connection),
            _ => return Err(invalid("user and connection: expected one of them")),
        };
        if position.is_some() && (resource.is_some() || action.is_some() || organisation.is_some()) {
            return Err(invalid("position: the event is known, so resource, action and organisation are not expected"));
        }
        let mut event = Event::new(name, "{}");
        event.resource = match resource {
            Some(resource) => {
                Some(resource.parse::<ResourceName>().map_err(|error| invalid(&format!("resource: {error}")))?)
            }
            None => None,
        };
        event.action = match action {
            None => None,
            Some(word) => {
                let action = Action::ALL.into_iter().find(|action| action.as_str() == word);
                Some(action.ok_or_else(|| invalid("action: expected created, updated or deleted"))?)
            }
        };
        event.organisation = match organisation {
            Some(name) => {
                Some(name.parse::<Organisation>().map_err(|error| invalid(&format!("organisation: {error}")))?)
            }
            None => None,
        };
        Ok(Self { event, subject, position })
    }
}
