//! The subscription manager: the methods `Subscribe` and `Unsubscribe`, and the events that clients receive as `OnEvent`.
//!
//! The subscriptions of a connection are a set of entries: an event, one resource or any, one action or any. The connection
//! gets an event once, even if several entries match. Its subscriptions end with it.
//!
//! A client that was away asks with `since` for what it has missed: see `resume`.

mod gap;
mod grants;
mod missed;
mod position;
mod render;
mod resume;

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};

use bytes::Bytes;
use portos_notifications::{SubscriptionRequest, broker};
use signalhub_connections::{BoxFuture, ConnectionEnded, Frame, Frames, Identity, Outbound, Sent};
use signalhub_events::{
    Audience, Broker, ClientName, Deliveries, Delivery, EncodingKey, Filter, Flushed, Flushing, Grants, Joined, Missed,
    Offered, Organisation, Scope, SubscribeError, Subscriber, Subscriptions,
};
use signalhub_protocol::Protocol;

use crate::calls::caller::Caller;
use crate::calls::parameter::Args;
use crate::clients::client::Client;
use crate::clients::subscribed::{SentPositions, Subscribed};
use crate::error::HubError;
use crate::options::TraceHeader;
use render::{Form, Reference};
use resume::Resumed;

pub use grants::is_grants_claim;
pub(crate) use position::Told;

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

    /// Adds all entries of a request, or none if one of them is refused. With `since`, the events that the client has missed come first.
    pub(crate) fn subscribe(
        &self,
        caller: &Caller,
        Args((request,)): Args<(SubscriptionRequest,)>,
    ) -> Result<Subscribing, HubError> {
        let since = broker::since(&request).map_err(refused)?;
        let filters = broker::filters(request).map_err(refused)?;
        let mut subscribed = caller.client().subscriptions();
        let subscriptions = self.attached(&mut subscribed, caller)?;
        check_room(caller, subscriptions, &filters)?;
        for filter in &filters {
            subscriptions.check(filter).map_err(refused)?;
        }
        if let Some(since) = since {
            drop(subscribed);
            return Ok(Subscribing::Resuming(resume::resume(self.broker.clone(), caller, filters, since)?));
        }
        for filter in &filters {
            subscriptions.add(filter).map_err(refused)?;
        }
        Ok(Subscribing::Done)
    }

    /// Removes every entry that the request covers. It is no error if there is none, or if the client has no grant for
    /// it: such an error would reveal which events exist.
    pub(crate) fn unsubscribe(
        &self,
        caller: &Caller,
        Args((request,)): Args<(SubscriptionRequest,)>,
    ) -> Result<(), HubError> {
        let filters = broker::filters(request).map_err(refused)?;
        let mut subscribed = caller.client().subscriptions();
        // If there is nothing to remove, the grants that are read here are kept for later calls.
        let Ok(subscriptions) = self.attached(&mut subscribed, caller) else { return Ok(()) };
        for filter in &filters {
            match subscriptions.scope().check(filter, self.broker.catalogue()) {
                Ok(()) | Err(SubscribeError::NotGranted(_)) => {}
                Err(error) => return Err(refused(error)),
            }
        }
        for filter in &filters {
            subscriptions.remove(filter);
        }
        if let (Some(resuming), Some(filter)) = (subscribed.resuming(), filters.first()) {
            resuming.on_unsubscribed(&filter.event);
        }
        Ok(())
    }

    /// Ends the subscriptions that the new credentials of a client do not permit, and returns them. Grants that cannot be read
    /// permit none. Events that are queued for the client by then are still sent.
    pub(crate) fn renew(&self, client: &Client) -> Vec<Filter> {
        let grants = self.scope(&client.identity()).map_or(Grants::Only(Vec::new()), |scope| scope.grants().clone());
        client.subscriptions().get_mut().map(|subscriptions| subscriptions.set_grants(grants)).unwrap_or_default()
    }

    /// The scope of an identity: its organisation and its grants.
    fn scope(&self, identity: &Identity) -> Result<Scope, HubError> {
        let grants = grants::of_claims(&identity.claims)?.unwrap_or_else(|| self.default_grants.as_ref().clone());
        Ok(Scope::new(identity.organisation.clone().map(Organisation::new), grants))
    }

    /// The scope of an identity; `None` if its grants cannot be read.
    pub(crate) fn scope_of(&self, identity: &Identity) -> Option<Scope> {
        self.scope(identity).ok()
    }

    /// Returns the subscriptions of a client, which is attached to the broker with the scope of its identity first if it was not yet.
    fn attached<'a>(&self, subscribed: &'a mut Subscribed, caller: &Caller) -> Result<&'a mut Subscriptions, HubError> {
        if let Subscribed::Nothing = subscribed {
            let subscriber = ClientSubscriber::new(caller, Reference::Null);
            *subscribed = Subscribed::Plain(self.broker.attach(subscriber, self.scope(&caller.client().identity())?));
        }
        subscribed.get_mut().ok_or_else(|| HubError::disconnected("the connection has ended"))
    }
}

/// How a call of `Subscribe` goes on.
pub(crate) enum Subscribing {
    /// It is over, without a result.
    Done,
    /// Missed events are replayed first.
    Resuming(BoxFuture<Result<Resumed, HubError>>),
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
    Err(HubError::over_limit("subscriptions_per_connection", error))
}

fn refused(error: impl std::fmt::Display) -> HubError {
    HubError::new(error.to_string())
}

/// The key of the encoding that all clients with the same form share.
fn encoding(form: Form) -> EncodingKey {
    let key = match (form.protocol, form.reference) {
        (Protocol::Json, Reference::Null) => const { EncodingKey::new("hub json") },
        (Protocol::MessagePack, Reference::Null) => const { EncodingKey::new("hub messagepack") },
        (Protocol::Json, Reference::Position) => const { EncodingKey::new("hub json with position") },
        (Protocol::MessagePack, Reference::Position) => const { EncodingKey::new("hub messagepack with position") },
    };
    // Hubs that share a broker may differ in it.
    key.numbered(match form.trace_header {
        TraceHeader::Omitted => 0,
        TraceHeader::Sent => 1,
    })
}

/// A client as a subscriber of the broker.
struct ClientSubscriber {
    form: Form,
    outbound: Outbound,
    /// For operators only. The client owns its subscriptions, so they must not own the client.
    client: Weak<Client>,
}

impl ClientSubscriber {
    fn new(caller: &Caller, reference: Reference) -> Self {
        let client = Arc::downgrade(caller.client());
        Self { form: Form::of(caller, reference), outbound: caller.client().outbound().clone(), client }
    }

    fn encoding(&self) -> EncodingKey {
        encoding(self.form)
    }

    fn render(&self, delivery: &Delivery) -> Bytes {
        render::on_event(self.form, delivery)
    }
}

impl Subscriber for ClientSubscriber {
    fn prefetch(&self) {
        self.outbound.prefetch();
    }

    fn offer(&self, delivery: &Delivery) -> Offered {
        let bytes = delivery.encoded(self.encoding(), |delivery| self.render(delivery));
        offered(self.outbound.deliver(&Frame::from_bytes(bytes.clone()), delivery.accepted()))
    }

    fn offer_all(&self, deliveries: &Deliveries) -> Offered {
        let render = |delivery: &Delivery| self.render(delivery);
        if deliveries.audience() == Audience::One {
            let frames = deliveries.each().iter().map(|delivery| {
                (Frame::from_bytes(delivery.encoded(self.encoding(), render).clone()), delivery.accepted())
            });
            return offered(self.outbound.deliver_each(frames));
        }
        let pieces = deliveries.joined(self.encoding(), BYTES_PER_WRITE, render);
        let pieces = pieces.iter().map(|Joined { bytes, deliveries }| (Frames::from_bytes(bytes.clone()), *deliveries));
        offered(self.outbound.deliver_joined(pieces, deliveries.each().len(), deliveries.accepted()))
    }

    fn missed(&self, missed: &Missed) -> signalhub_events::Told {
        missed::close_or_count(&self.outbound, missed)
    }

    fn flushed(&self) -> Option<Flushing> {
        let flushed = self.outbound.flushed();
        Some(Box::pin(async {
            match flushed.await {
                signalhub_connections::Flushed::Written => Flushed::Written,
                signalhub_connections::Flushed::Ended => Flushed::Ended,
            }
        }))
    }

    fn client(&self) -> Option<ClientName> {
        let client = self.client.upgrade()?;
        Some(ClientName { connection: Arc::from(client.id().for_log()), user: client.identity().user.clone() })
    }
}

/// A client that has used `since`, as a subscriber of the broker.
struct ResumingSubscriber {
    client: ClientSubscriber,
    sent: Arc<SentPositions>,
}

impl ResumingSubscriber {
    fn new(caller: &Caller, sent: Arc<SentPositions>) -> Self {
        Self { client: ClientSubscriber::new(caller, Reference::Position), sent }
    }
}

impl Subscriber for ResumingSubscriber {
    fn prefetch(&self) {
        self.client.prefetch();
    }

    fn offer(&self, delivery: &Delivery) -> Offered {
        let _sent = self.sent.note([delivery]);
        self.client.offer(delivery)
    }

    fn offer_all(&self, deliveries: &Deliveries) -> Offered {
        let _sent = self.sent.note(deliveries.each().iter().map(Arc::as_ref));
        self.client.offer_all(deliveries)
    }

    fn missed(&self, missed: &Missed) -> signalhub_events::Told {
        missed::tell(&self.client.client, &self.sent, missed)
    }

    fn flushed(&self) -> Option<Flushing> {
        self.client.flushed()
    }

    fn client(&self) -> Option<ClientName> {
        self.client.client()
    }
}

fn offered(sent: Result<Sent, ConnectionEnded>) -> Offered {
    match sent {
        Ok(Sent::Written) => Offered::Accepted,
        Ok(Sent::Queued) => Offered::Queued,
        Err(ConnectionEnded) => Offered::Refused,
    }
}

#[cfg(test)]
mod tests;
