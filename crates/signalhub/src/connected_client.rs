//! A connected client as operators see it: what it may see, and what it has subscribed to.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use signalhub_connections::ConnectionId;
use signalhub_events::{EventName, Filter, Scope};
use signalhub_protocol::Protocol;

use crate::clients::client::Client;
use crate::clients::connected::ConnectedClients;
use crate::clients::subscribed::{ResumeProgress, ResumedEvent};
use crate::subscription_manager::SubscriptionMethods;

/// A client of a hub, for pages of operators. It keeps nothing alive but itself: once the client has gone, it has no
/// subscriptions and no groups.
pub struct ConnectedClient {
    client: Arc<Client>,
    connected: Arc<ConnectedClients>,
    events: Option<SubscriptionMethods>,
}

impl ConnectedClient {
    pub(crate) fn new(
        client: Arc<Client>,
        connected: Arc<ConnectedClients>,
        events: Option<SubscriptionMethods>,
    ) -> Self {
        Self { client, connected, events }
    }

    /// The public id of its connection.
    pub fn id(&self) -> &ConnectionId {
        self.client.id()
    }

    /// The protocol that it speaks.
    pub fn protocol(&self) -> Protocol {
        self.client.protocol()
    }

    /// When its newest credentials expire by their own claim, without the clock difference that is tolerated.
    pub fn expires(&self) -> Option<SystemTime> {
        self.client.identity().stated_expiry()
    }

    /// What it may see: its organisation, and the grants of its newest credentials. `None` in a hub without events, and if its
    /// grants cannot be read, which grants nothing.
    pub fn scope(&self) -> Option<Scope> {
        let subscribed = self.client.subscriptions().get_mut().map(|subscriptions| subscriptions.scope().clone());
        subscribed.or_else(|| self.events.as_ref()?.scope_of(&self.client.identity()))
    }

    /// The filters of its subscriptions, in no order.
    pub fn filters(&self) -> Vec<Filter> {
        self.client.subscriptions().get_mut().map(|subscriptions| subscriptions.filters()).unwrap_or_default()
    }

    /// How many subscriptions it has.
    pub fn subscription_count(&self) -> usize {
        self.client.subscriptions().get_mut().map_or(0, |subscriptions| subscriptions.len())
    }

    /// Tells whether it has a subscription to the event, with or without a resource.
    pub fn has_event(&self, event: &EventName) -> bool {
        self.client.subscriptions().get_mut().is_some_and(|subscriptions| subscriptions.has_event(event))
    }

    /// Tells whether it is being sent what it has missed of an event (`since`). Its subscription to the event begins behind that; what is
    /// published meanwhile is part of it.
    pub fn is_replaying(&self, event: &EventName) -> bool {
        let mut subscribed = self.client.subscriptions();
        let events = subscribed.resuming().map(|resuming| resuming.events.as_slice()).unwrap_or_default();
        let is_replaying = |resumed: &ResumedEvent| matches!(resumed.progress, ResumeProgress::Replaying(_));
        events.iter().any(|resumed| resumed.event == *event && is_replaying(resumed))
    }

    /// The groups that it is in, in no order.
    pub fn groups(&self) -> Vec<Arc<str>> {
        self.connected.groups_of(self.client.id())
    }
}

impl fmt::Debug for ConnectedClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectedClient").field("client", &self.client).finish_non_exhaustive()
    }
}
