//! A notification as publishers write it, and the event that it becomes.

use portos_notifications::CanonicalPayload;
use serde_json::value::RawValue;
use signalhub::events::{
    Action, Broker, Event, EventName, LONGEST_NAME, Organisation, ResourceName, Resources, Sender, SenderUser,
};
use time::OffsetDateTime;

use super::authorize::Publisher;
use super::members::{Members, check_length, kind, name, string, timestamp};
use super::problem::{Problem, ProblemCode};

/// One notification of a publisher, with its members checked and its payload as it was spelt.
#[derive(Debug)]
pub(super) struct Notification<'a> {
    pub(super) event: String,
    pub(super) organisation: Option<String>,
    pub(super) payload: &'a RawValue,
    pub(super) expires: Option<OffsetDateTime>,
    pub(super) sender: Option<PartialSender>,
}

/// What a publisher says about the sender; the server fills in the rest.
#[derive(Debug)]
pub(super) struct PartialSender {
    connection: Option<String>,
    user: Option<SenderUser>,
}

impl<'a> Notification<'a> {
    /// Reads one notification.
    pub(super) fn read(value: &'a RawValue) -> Result<Self, Problem> {
        if !value.get().starts_with('{') {
            let detail = format!("expected an object with the members e and p, found {}", kind(value));
            return Err(Problem::new(ProblemCode::InvalidNotification, detail));
        }
        let mut members = Members::read("", value)?;
        let notification = Self {
            event: members.required("e", "the name of an event", name)?,
            payload: members.required("p", "the payload", Some)?,
            expires: members.optional("ea", "a time such as \"2024-07-01T12:51:52.558Z\"", timestamp)?,
            organisation: members.optional("org", "the name of an organisation", name)?,
            sender: members.object("s")?.map(PartialSender::read).transpose()?,
        };
        members.finish("e, p, ea, org or s")?;
        notification.check_lengths("e")?;
        Ok(notification)
    }

    /// Checks the lengths of the names that clients will be matched by; `event` is what its event stands in.
    pub(super) fn check_lengths(&self, event: &str) -> Result<(), Problem> {
        check_length(event, &self.event, ProblemCode::InvalidMember)?;
        self.organisation.as_ref().map_or(Ok(()), |name| check_length("org", name, ProblemCode::InvalidMember))
    }

    /// Makes the event, whose payload is what its name asks for.
    pub(super) fn into_event(self, broker: &Broker, publisher: &Publisher) -> Result<Event, Problem> {
        let name = EventName::from(self.event.as_str());
        let declared = broker.catalogue().resources(&name);
        let asked = declared.unwrap_or(Resources::Without);
        broker.catalogue().check(&name, asked).map_err(|error| publisher.unknown_event(error))?;
        let canonical = CanonicalPayload::check(&self.event, self.payload)
            .map_err(|error| Problem::new(ProblemCode::InvalidPayload, error.to_string()))?;
        let (payload, resource, action) = match &canonical {
            Some(known) => (&*known.payload, known.resource.clone(), known.action.map(u8::from)),
            None => {
                let (resource, action) = resource_and_action(self.payload, declared)?;
                (self.payload, resource, action)
            }
        };
        if let Some(resource) = &resource {
            check_length("p.n", resource, ProblemCode::InvalidPayload)?;
        }
        let mut event = Event::new(name, payload.get().as_bytes().to_vec());
        event.resource = resource.map(ResourceName::from);
        event.action = action.and_then(Action::from_code);
        event.organisation = self.organisation.map(Organisation::from);
        event.expires = self.expires;
        event.sender = self.sender.map(|sender| Sender {
            connection: sender.connection.unwrap_or_else(|| broker.node().to_owned()),
            user: sender.user.unwrap_or_default(),
        });
        Ok(event)
    }
}

impl PartialSender {
    fn read(mut members: Members<'_>) -> Result<Self, Problem> {
        let connection = members.optional("c", "a text", string)?;
        let user = match members.object("u")? {
            None => None,
            Some(mut user) => {
                let read = SenderUser {
                    user: user.required("u", "the name of a user", string)?,
                    device: user.required("d", "the name of a device", string)?,
                    feature: user.optional("f", "the name of a feature", string)?,
                };
                user.finish("u, d or f")?;
                Some(read)
            }
        };
        members.finish("c or u")?;
        Ok(Self { connection, user })
    }
}

/// Finds what an event of somebody else is about: required of one with resources, welcome in one that is not declared.
fn resource_and_action(
    payload: &RawValue,
    declared: Option<Resources>,
) -> Result<(Option<String>, Option<u8>), Problem> {
    if declared == Some(Resources::Without) {
        return Ok((None, None));
    }
    let read = || {
        let mut members = Members::read("p.", payload)?;
        let resource = members.required("n", "the name of a resource", name)?;
        let action = members.required("a", "1 (created), 2 (updated) or 3 (deleted)", action_code)?;
        Ok((Some(resource), Some(action)))
    };
    match read() {
        Err(Problem { detail, .. }) if declared.is_some() => Err(Problem::new(ProblemCode::InvalidPayload, detail)),
        // It is about nothing that anybody can subscribe to.
        Ok((Some(resource), _)) if declared.is_none() && resource.len() > LONGEST_NAME => Ok((None, None)),
        Err(_) => Ok((None, None)),
        found => found,
    }
}

fn action_code(value: &RawValue) -> Option<u8> {
    let code = value.get().parse().ok()?;
    Action::from_code(code).map(Action::code)
}
