//! Subscribers with clients.

use super::shop;
use crate::{Action, Broker, ClientName, Delivery, Event, Filter, Offered, Scope, Subscriber, Subscriptions};

/// A subscriber that takes everything and has this client.
pub(crate) struct Named(pub(crate) Option<ClientName>);

impl Subscriber for Named {
    fn offer(&self, _: &Delivery) -> Offered {
        Offered::Accepted
    }

    fn client(&self) -> Option<ClientName> {
        self.0.clone()
    }
}

pub(crate) fn broker() -> Broker {
    Broker::builder(shop()).build()
}

pub(crate) fn changed() -> Event {
    Event::new("shop.resources.changed".into(), "{}").with_resource("tickets".into()).with_action(Action::Created)
}

pub(crate) fn licence() -> Event {
    Event::new("shop.licence.activated".into(), "{}")
}

/// Subscribes a client to all changes.
pub(crate) fn subscribe(broker: &Broker, connection: &str, user: &str, scope: Scope) -> Subscriptions {
    let client = ClientName { connection: connection.into(), user: Some(user.into()) };
    let mut subscriptions = broker.attach(Named(Some(client)), scope);
    subscriptions.add(&Filter::new(changed().name)).unwrap();
    subscriptions
}
