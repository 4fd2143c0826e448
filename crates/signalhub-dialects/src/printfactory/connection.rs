//! The connection of a listener: it gets events, and is pinged.

use std::sync::Arc;
use std::time::Duration;

use signalhub_connections::{
    BoxFuture, CloseCode, CloseFrame, CloseReason, Connection, ConnectionHandler, Frame, Frames, Intake, Outbound,
    Received,
};
use signalhub_events::{
    Audience, Broker, ClientName, Deliveries, Delivery, EventName, Filter, Flushing, Grants, Joined, Offered,
    Organisation, Scope, Subscriber, Subscriptions,
};
use tokio::time::Instant;

use super::authentication::CONNECTED_ALREADY;
use super::keys::MisKeys;
use super::messages::{ENCODING, EVENTS, frame};
use super::organisations::{Ending, Place};
use crate::client_name::client_name;
use crate::connection_end::log_end;
use crate::dismissed::dismissed;
use crate::flushed::flushed;
use crate::offered::offered;

/// How often the server pings.
const PING_INTERVAL: Duration = Duration::from_secs(30);

/// How long a client may be silent. It answers pings, so it is gone after this.
const SILENCE: Duration = Duration::from_secs(90);

/// The longest message of a client, in bytes. All messages are ignored.
const LONGEST_MESSAGE: usize = 16 * 1024;

/// Deliveries that arrive together are written together, up to this number of bytes.
const BYTES_PER_WRITE: usize = 64 * 1024;

/// The close code of a connection whose place another connection of its organisation has.
const REPLACED: CloseCode = CloseCode::new(4409).expect("applications may use 4000 to 4999");

/// Serves the connections of listeners.
pub(super) struct Listener {
    broker: Broker,
    keys: MisKeys,
}

impl Listener {
    pub(super) fn new(broker: Broker, keys: MisKeys) -> Self {
        Self { broker, keys }
    }

    /// Subscribes a connection, takes the place of its organisation, and serves it until something ends it.
    async fn serve(&self, connection: &mut Connection) -> End {
        let Some(place) = connection.identity().attachment::<Place>() else { return End::Reason(CloseReason::Refused) };
        if connection.read_messages(LONGEST_MESSAGE).is_err() {
            return End::Reason(CloseReason::Refused);
        }
        // It subscribes first, so that no event is missed between the old connection and the new one.
        let _subscriptions = self.subscribe(connection);
        place.take(connection.outbound());
        // The key may have changed since it was checked. A later change finds the connection.
        if let Some(ending) = place.ending().or_else(|| self.keys.ending(place.hash())) {
            return End::ByServer(ending);
        }
        let (mut last_received, mut pinged) = (Instant::now(), Instant::now());
        connection.skip_ticks_for(PING_INTERVAL);
        loop {
            match connection.receive(Intake::Open).await {
                Received::Message { .. } => {
                    connection.consume(connection.input().len());
                    last_received = Instant::now();
                }
                Received::Pong => last_received = Instant::now(),
                Received::Tick => {
                    let now = Instant::now();
                    if now.duration_since(last_received) >= SILENCE {
                        return End::Silent;
                    }
                    if now.duration_since(pinged) >= PING_INTERVAL {
                        connection.send_ping();
                        pinged = now;
                    }
                    connection
                        .skip_ticks_for((pinged + PING_INTERVAL).min(last_received + SILENCE).duration_since(now));
                }
                Received::Aborted if connection.dismissal().is_some() => return End::Dismissed,
                Received::Aborted => return place.ending().map_or(End::Reason(CloseReason::Aborted), End::ByServer),
                Received::Drain => return End::Drain,
                Received::Ended(reason) => return End::Reason(reason),
                // They belong to other transports.
                _ => {}
            }
        }
    }

    fn subscribe(&self, connection: &Connection) -> Subscriptions {
        let organisation = connection.identity().organisation.clone().map(Organisation::new);
        let scope = Scope::new(organisation, Grants::All);
        let mut subscriptions =
            self.broker.attach(ConnectedListener(connection.outbound(), client_name(connection)), scope);
        for name in EVENTS {
            if let Err(error) = subscriptions.add(&Filter::new(EventName::new(name))) {
                tracing::error!(event = name, %error, "an event of PrintFactory cannot be subscribed to");
            }
        }
        subscriptions
    }
}

impl ConnectionHandler for Listener {
    fn handle(self: Arc<Self>, mut connection: Connection) -> BoxFuture<()> {
        Box::pin(async move {
            connection.set_protocol("printfactory");
            let end = self.serve(&mut connection).await;
            // In an allocation of its own, so that a connection takes no memory for its end while it lives.
            Box::pin(close(connection, end)).await;
        })
    }
}

/// Why a connection is closed.
enum End {
    Reason(CloseReason),
    ByServer(Ending),
    Silent,
    Dismissed,
    Drain,
}

async fn close(connection: Connection, end: End) {
    let (reason, frame) = match end {
        End::Reason(reason) => {
            log_end(reason);
            return connection.close(reason).await;
        }
        End::ByServer(Ending::Replaced) => {
            (CloseReason::Aborted, CloseFrame::new(REPLACED, "replaced by a newer connection"))
        }
        End::ByServer(Ending::Refused) => (CloseReason::Aborted, CloseFrame::new(REPLACED, CONNECTED_ALREADY)),
        End::ByServer(Ending::KeyGone) => (CloseReason::CredentialsExpired, policy("the MisKey is no longer valid")),
        End::ByServer(Ending::NotificationsOff) => {
            (CloseReason::CredentialsExpired, policy("Notifications are disabled"))
        }
        End::Silent => (CloseReason::ClientTimeout, policy("no answer to pings")),
        End::Dismissed => (CloseReason::Dismissed, dismissed(connection.dismissal().as_ref())),
        End::Drain => (CloseReason::ServerShutdown, CloseFrame::new(CloseCode::GOING_AWAY, "the server stops")),
    };
    log_end(reason);
    connection.close_with(reason, frame).await;
}

fn policy(reason: &str) -> CloseFrame {
    CloseFrame::new(CloseCode::POLICY_VIOLATION, reason)
}

/// A connection as a subscriber of the broker.
struct ConnectedListener(Outbound, ClientName);

impl Subscriber for ConnectedListener {
    fn prefetch(&self) {
        self.0.prefetch();
    }

    fn offer(&self, delivery: &Delivery) -> Offered {
        let bytes = delivery.encoded(ENCODING, frame);
        offered(self.0.deliver(&Frame::from_bytes(bytes.clone()), delivery.accepted()))
    }

    fn offer_all(&self, deliveries: &Deliveries) -> Offered {
        if deliveries.audience() == Audience::One {
            let frames = deliveries
                .each()
                .iter()
                .map(|delivery| (Frame::from_bytes(delivery.encoded(ENCODING, frame).clone()), delivery.accepted()));
            return offered(self.0.deliver_each(frames));
        }
        let pieces = deliveries.joined(ENCODING, BYTES_PER_WRITE, frame);
        let pieces = pieces.iter().map(|Joined { bytes, deliveries }| (Frames::from_bytes(bytes.clone()), *deliveries));
        offered(self.0.deliver_joined(pieces, deliveries.each().len(), deliveries.accepted()))
    }

    fn flushed(&self) -> Option<Flushing> {
        Some(flushed(&self.0))
    }

    fn client(&self) -> Option<ClientName> {
        Some(self.1.clone())
    }
}

#[cfg(test)]
mod tests;
