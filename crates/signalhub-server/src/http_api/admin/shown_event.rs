//! A published event as the admin API shows it.

use portos_notifications::{NotificationSender, format_timestamp};
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use signalhub::events::{Event, LatestEvent, LatestExtent, Organisation, Position, ResourceName, TailedEvent};

/// Whether payloads are shown: `admin.show_payloads`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Payloads {
    Shown,
    Hidden,
}

impl Payloads {
    pub(super) fn of(configuration: &crate::configuration::Configuration) -> Self {
        if configuration.admin.show_payloads { Self::Shown } else { Self::Hidden }
    }
}

/// The members of an event. Names and payloads are JSON of publishers, with any character.
#[derive(Debug, Serialize)]
pub(super) struct ShownEvent<'a> {
    position: String,
    event: &'a str,
    org: Option<&'a str>,
    resource: Option<&'a str>,
    action: Option<&'static str>,
    matched: usize,
    /// The length of the payload.
    bytes: usize,
    sender: Option<Box<RawValue>>,
    trace_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    published: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<&'a RawValue>,
}

impl<'a> ShownEvent<'a> {
    /// An event of a tail.
    pub(super) fn tailed(tailed: &'a TailedEvent, payloads: Payloads) -> Self {
        let TailedEvent { event, position, matched, .. } = tailed;
        Self::new(event, *position, *matched, event.payload.len(), payloads)
    }

    /// One of the latest events.
    pub(super) fn latest(latest: &'a LatestEvent, payloads: Payloads) -> Self {
        let LatestEvent { event, extent, payload_bytes, position, published, matched, .. } = latest;
        let shown = Self::new(event, *position, *matched, *payload_bytes, payloads);
        let sender = if *extent == LatestExtent::Whole { shown.sender } else { None };
        Self { published: Some(format_timestamp(*published)), sender, ..shown }
    }

    fn new(event: &'a Event, position: Position, matched: usize, bytes: usize, payloads: Payloads) -> Self {
        let sender = match &event.sender {
            Some(sender) => serde_json::from_slice(sender).ok(),
            None => to_raw_value(&NotificationSender::system(event.node.as_deref().unwrap_or_default())).ok(),
        };
        Self {
            position: position.to_string(),
            event: event.name.as_str(),
            org: event.organisation.as_ref().map(Organisation::as_str),
            resource: event.resource.as_ref().map(ResourceName::as_str),
            action: event.action.map(|action| action.as_str()),
            matched,
            bytes,
            sender,
            trace_id: event.trace.map(|trace| trace.trace_id.to_string()),
            published: None,
            payload: match payloads {
                Payloads::Shown => serde_json::from_slice(&event.payload).ok(),
                Payloads::Hidden => None,
            },
        }
    }
}
