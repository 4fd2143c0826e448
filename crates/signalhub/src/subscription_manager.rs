//! The subscription manager: `Subscribe` and `Unsubscribe`, and what arrives as `OnEvent`.
//!
//! A connection's subscriptions are a set of entries (event, resource or any, action or any). An event reaches the
//! connection once, however many of its entries match, and everything is freed when the connection ends.

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

/// What both methods expect.
pub(crate) const USAGE: &str =
    "one argument, as {\"e\": \"portos.resources.changed\", \"r\": [{\"n\": \"tickets\", \"a\": [\"created\"]}]}";

/// Deliveries that come at once are written together up to this many bytes.
const BYTES_PER_WRITE: usize = 64 * 1024;

/// The two methods, for one broker.
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

    /// Adds all entries of a request, or none.
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

    /// Removes every entry that the request covers; removing what is not there is no error, nor is what the client may not
    /// have: an error would tell it which events there are.
    pub(crate) fn unsubscribe(
        &self,
        caller: &Caller,
        Args((request,)): Args<(SubscriptionRequest,)>,
    ) -> Result<(), HubError> {
        let filters = broker::filters(request).map_err(refused)?;
        let mut subscriptions = caller.client().subscriptions();
        let subscriptions = match &mut *subscriptions {
            Some(subscriptions) => subscriptions,
            // It has none, but the grants that are read for it here serve its later calls, too.
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

    /// Ends the subscriptions that the new credentials of a client do not permit. Grants that cannot be read permit none.
    pub(crate) fn renew(&self, client: &Client) {
        let grants = self.scope(&client.identity()).map_or(Grants::Only(Vec::new()), |scope| scope.grants().clone());
        if let Some(subscriptions) = &mut *client.subscriptions() {
            subscriptions.set_grants(grants);
        }
    }

    /// What an identity may see.
    fn scope(&self, identity: &Identity) -> Result<Scope, HubError> {
        let grants = grants::of_claims(&identity.claims)?.unwrap_or_else(|| self.default_grants.as_ref().clone());
        Ok(Scope::new(identity.organisation.clone().map(Organisation::new), grants))
    }

    /// The identity decides what a connection may see before any of its filters is read.
    fn attach(&self, client: &Arc<Client>) -> Result<Subscriptions, HubError> {
        let scope = self.scope(&client.identity())?;
        let listener = Listener { protocol: client.protocol(), outbound: client.outbound().clone() };
        Ok(self.broker.attach(listener, scope))
    }
}

/// Holds what a connection would have against its limits, before any filter is looked at.
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

/// Names the encoding that all clients of a protocol share.
fn encoding(protocol: Protocol) -> EncodingKey {
    match protocol {
        Protocol::Json => const { EncodingKey::new("hub json") },
        Protocol::MessagePack => const { EncodingKey::new("hub messagepack") },
    }
}

/// A client as the broker knows it.
struct Listener {
    protocol: Protocol,
    outbound: Outbound,
}

impl Subscriber for Listener {
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
