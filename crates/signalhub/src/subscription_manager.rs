//! The subscription manager: the methods `Subscribe` and `Unsubscribe`, and the events that clients receive as `OnEvent`.
//!
//! The subscriptions of a connection are a set of entries: an event, one resource or any, one action or any. The connection
//! gets an event once, even if several entries match. Its subscriptions end with it.

mod grants;
mod render;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use portos_notifications::{SubscriptionRequest, broker};
use signalhub_connections::{ConnectionEnded, Frame, Frames, Identity, Outbound};
use signalhub_events::{
    Audience, Broker, Deliveries, Delivery, EncodingKey, Filter, Grants, Offered, Organisation, Scope, SubscribeError,
    Subscriber, Subscriptions,
};
use signalhub_protocol::Protocol;

use crate::calls::caller::Caller;
use crate::calls::parameter::Args;
use crate::clients::client::Client;
use crate::error::HubError;
pub use grants::is_grants_claim;

/// The argument of both methods, as error texts describe it.
pub(crate) const USAGE: &str =
    "one argument, as {\"e\": \"portos.resources.changed\", \"r\": [{\"n\": \"tickets\", \"a\": [\"created\"]}]}";

/// Deliveries that arrive together are written together, up to this number of bytes.
const BYTES_PER_WRITE: usize = 64 * 1024;

/// The methods `Subscribe` and `Unsubscribe` of a hub with events.
#[derive(Clone)]
pub(crate) struct SubscriptionMethods {
    broker: Broker,
    default_grants: Arc<Grants>,
}

impl SubscriptionMethods {
    pub(crate) fn new(broker: Broker, default_grants: Grants) -> Self {
        broker.check_payloads(render::check_payload);
        Self { broker, default_grants: Arc::new(default_grants) }
    }

    /// Adds all entries of a request, or none if one of them is refused.
    pub(crate) fn subscribe(
        &self,
        caller: &Caller,
        Args((request,)): Args<(SubscriptionRequest,)>,
    ) -> Result<(), HubError> {
        let filters = broker::filters(request).map_err(refused)?;
        let mut subscriptions = caller.client().subscriptions();
        let subscriptions = match &mut *subscriptions {
            Some(subscriptions) => subscriptions,
            none => none.insert(self.attach(caller.client())?),
        };
        check_room(caller, subscriptions, &filters)?;
        for filter in &filters {
            subscriptions.check(filter).map_err(refused)?;
        }
        for filter in &filters {
            subscriptions.add(filter).map_err(refused)?;
        }
        Ok(())
    }

    /// Removes every entry that the request covers. It is no error if there is none, or if the client has no grant for
    /// it: such an error would reveal which events exist.
    pub(crate) fn unsubscribe(
        &self,
        caller: &Caller,
        Args((request,)): Args<(SubscriptionRequest,)>,
    ) -> Result<(), HubError> {
        let filters = broker::filters(request).map_err(refused)?;
        let mut subscriptions = caller.client().subscriptions();
        let subscriptions = match &mut *subscriptions {
            Some(subscriptions) => subscriptions,
            // There is nothing to remove. The grants that are read here are kept for later calls.
            none => match self.attach(caller.client()) {
                Ok(subscriptions) => none.insert(subscriptions),
                Err(_) => return Ok(()),
            },
        };
        for filter in &filters {
            match subscriptions.scope().check(filter, self.broker.catalogue()) {
                Ok(()) | Err(SubscribeError::NotGranted(_)) => {}
                Err(error) => return Err(refused(error)),
            }
        }
        for filter in &filters {
            subscriptions.remove(filter);
        }
        Ok(())
    }

    /// Ends the subscriptions that the new credentials of a client do not permit, and returns them. Grants that cannot be read
    /// permit none. Events that are queued for the client by then are still sent.
    pub(crate) fn renew(&self, client: &Client) -> Vec<Filter> {
        let grants = self.scope(&client.identity()).map_or(Grants::Only(Vec::new()), |scope| scope.grants().clone());
        client.subscriptions().as_mut().map(|subscriptions| subscriptions.set_grants(grants)).unwrap_or_default()
    }

    /// The scope of an identity: its organisation and its grants.
    fn scope(&self, identity: &Identity) -> Result<Scope, HubError> {
        let grants = grants::of_claims(&identity.claims)?.unwrap_or_else(|| self.default_grants.as_ref().clone());
        Ok(Scope::new(identity.organisation.clone().map(Organisation::new), grants))
    }

    /// Attaches a client to the broker, with the scope of its identity.
    fn attach(&self, client: &Arc<Client>) -> Result<Subscriptions, HubError> {
        let scope = self.scope(&client.identity())?;
        let subscriber = ClientSubscriber { protocol: client.protocol(), outbound: client.outbound().clone() };
        Ok(self.broker.attach(subscriber, scope))
    }
}

/// Checks the limits of a connection as if all filters were added.
fn check_room(caller: &Caller, subscriptions: &Subscriptions, filters: &[Filter]) -> Result<(), HubError> {
    let options = &caller.state().options;
    let (most, most_bytes) = (options.maximum_subscriptions_per_client, options.maximum_subscription_bytes_per_client);
    let bytes: usize = filters.iter().map(Filter::name_bytes).sum();
    let error = if subscriptions.len() + filters.len() > most {
        format!("a connection has at most {most} subscriptions")
    } else if subscriptions.name_bytes() + bytes > most_bytes {
        format!("the names in the subscriptions of a connection have at most {most_bytes} bytes")
    } else {
        return Ok(());
    };
    caller.state().refused.subscriptions.fetch_add(1, Ordering::Relaxed);
    Err(HubError::new(error))
}

fn refused(error: impl std::fmt::Display) -> HubError {
    HubError::new(error.to_string())
}

/// The key of the encoding that all clients of a protocol share.
fn encoding(protocol: Protocol) -> EncodingKey {
    match protocol {
        Protocol::Json => const { EncodingKey::new("hub json") },
        Protocol::MessagePack => const { EncodingKey::new("hub messagepack") },
    }
}

/// A client as a subscriber of the broker.
struct ClientSubscriber {
    protocol: Protocol,
    outbound: Outbound,
}

impl Subscriber for ClientSubscriber {
    fn prefetch(&self) {
        self.outbound.prefetch();
    }

    fn offer(&self, delivery: &Delivery) -> Offered {
        let bytes = delivery.encoded(encoding(self.protocol), |delivery| render::on_event(self.protocol, delivery));
        if bytes.is_empty() {
            return Offered::Accepted;
        }
        offered(self.outbound.send(&Frame::from_bytes(bytes.clone())))
    }

    fn offer_all(&self, deliveries: &Deliveries) -> Offered {
        let render = |delivery: &Delivery| render::on_event(self.protocol, delivery);
        if deliveries.audience() == Audience::One {
            let frames = deliveries.each().iter().map(|delivery| delivery.encoded(encoding(self.protocol), render));
            let frames = frames.filter(|bytes| !bytes.is_empty());
            return offered(self.outbound.send_each(frames.map(|bytes| Frame::from_bytes(bytes.clone()))));
        }
        let mut pieces = deliveries.joined(encoding(self.protocol), BYTES_PER_WRITE, render).iter();
        offered(pieces.try_for_each(|piece| self.outbound.send_all(&Frames::from_bytes(piece.clone()))))
    }
}

fn offered(sent: Result<(), ConnectionEnded>) -> Offered {
    sent.map_or(Offered::Refused, |()| Offered::Accepted)
}

#[cfg(test)]
mod tests;
