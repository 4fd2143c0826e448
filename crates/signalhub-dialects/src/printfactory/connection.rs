//! The connection of a listener: it gets events, and is pinged.

use std::sync::Arc;
use std::time::Duration;

use signalhub_connections::{
    BoxFuture, CloseCode, CloseFrame, CloseReason, Connection, ConnectionEnded, ConnectionHandler, Frame, Frames,
    Intake, Outbound, Received,
};
use signalhub_events::{
    Audience, Broker, Deliveries, Delivery, EventName, Filter, Grants, Offered, Organisation, Scope, Subscriber,
    Subscriptions,
};
use tokio::time::Instant;

use super::keys::MisKeys;
use super::messages::{ENCODING, EVENTS, frame};
use super::organisations::{Ending, Place};

/// How often the server pings.
const PING_INTERVAL: Duration = Duration::from_secs(30);

/// How long a client may be silent. It answers pings, so it is gone after this.
const SILENCE: Duration = Duration::from_secs(90);

/// The longest message of a client, in bytes. All messages are ignored.
const LONGEST_MESSAGE: usize = 16 * 1024;

/// Deliveries that arrive together are written together, up to this number of bytes.
const BYTES_PER_WRITE: usize = 64 * 1024;

/// The close code of a connection that was replaced.
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

    /// Subscribes a connection, takes the place of its organisation, and serves it to its end.
    async fn run(&self, mut connection: Connection) {
        let Some(place) = connection.identity().attachment::<Place>() else {
            return connection.close(CloseReason::Refused).await;
        };
        if connection.read_messages(LONGEST_MESSAGE).is_err() {
            return connection.close(CloseReason::Refused).await;
        }
        // It subscribes first, so that no event is missed between the old connection and the new one.
        let subscriptions = self.subscribe(&connection);
        place.take(connection.outbound());
        // The key may have changed since it was checked. A later change finds the connection.
        if let Some(ending) = self.keys.ending(place.hash()) {
            place.end(ending);
        }
        let end = receive(&mut connection, &place).await;
        drop(subscriptions);
        match end {
            End::Closed(reason) => connection.close(reason).await,
            End::With(reason, frame) => connection.close_with(reason, frame).await,
        }
    }

    fn subscribe(&self, connection: &Connection) -> Option<Subscriptions> {
        let organisation = connection.identity().organisation.clone().map(Organisation::new);
        let scope = Scope::new(organisation, Grants::All);
        let mut subscriptions = self.broker.attach(ConnectedListener(connection.outbound()), scope);
        for name in EVENTS {
            if let Err(error) = subscriptions.add(&Filter::new(EventName::new(name))) {
                tracing::error!(event = name, %error, "an event of PrintFactory cannot be subscribed to");
            }
        }
        Some(subscriptions)
    }
}

impl ConnectionHandler for Listener {
    fn handle(self: Arc<Self>, connection: Connection) -> BoxFuture<()> {
        Box::pin(async move { self.run(connection).await })
    }
}

/// How a connection is closed.
enum End {
    Closed(CloseReason),
    With(CloseReason, CloseFrame),
}

/// Ignores what the client sends, and pings it, until the connection is to end.
async fn receive(connection: &mut Connection, place: &Place) -> End {
    let (mut heard, mut pinged) = (Instant::now(), Instant::now());
    connection.skip_ticks_for(PING_INTERVAL);
    loop {
        match connection.receive(Intake::Open).await {
            Received::Message { .. } => {
                connection.consume(connection.input().len());
                heard = Instant::now();
            }
            Received::Pong => heard = Instant::now(),
            Received::Tick => {
                let now = Instant::now();
                if now.duration_since(heard) >= SILENCE {
                    return End::With(CloseReason::ClientTimeout, policy("no answer to pings"));
                }
                if now.duration_since(pinged) >= PING_INTERVAL {
                    connection.send_ping();
                    pinged = now;
                }
                connection.skip_ticks_for((pinged + PING_INTERVAL).min(heard + SILENCE).duration_since(now));
            }
            Received::Aborted => return ended(place.ending()),
            Received::Drain => {
                let frame = CloseFrame::new(CloseCode::GOING_AWAY, "the server stops");
                return End::With(CloseReason::ServerShutdown, frame);
            }
            Received::Expired => return End::Closed(CloseReason::CredentialsExpired),
            Received::Ended(reason) => return End::Closed(reason),
            // They belong to other transports.
            _ => {}
        }
    }
}

/// How the server ends a connection.
fn ended(ending: Option<Ending>) -> End {
    let (reason, frame) = match ending {
        Some(Ending::Replaced) => (CloseReason::Aborted, CloseFrame::new(REPLACED, "replaced by a newer connection")),
        Some(Ending::KeyGone) => (CloseReason::CredentialsExpired, policy("the MisKey is no longer valid")),
        Some(Ending::NotificationsOff) => (CloseReason::CredentialsExpired, policy("Notifications are disabled")),
        None => return End::Closed(CloseReason::Aborted),
    };
    End::With(reason, frame)
}

fn policy(reason: &str) -> CloseFrame {
    CloseFrame::new(CloseCode::POLICY_VIOLATION, reason)
}

/// A connection as a subscriber of the broker.
struct ConnectedListener(Outbound);

impl Subscriber for ConnectedListener {
    fn prefetch(&self) {
        self.0.prefetch();
    }

    fn offer(&self, delivery: &Delivery) -> Offered {
        let bytes = delivery.encoded(ENCODING, frame);
        if bytes.is_empty() {
            return Offered::Accepted;
        }
        offered(self.0.send(&Frame::from_bytes(bytes.clone())))
    }

    fn offer_all(&self, deliveries: &Deliveries) -> Offered {
        if deliveries.audience() == Audience::One {
            let frames = deliveries.each().iter().map(|delivery| delivery.encoded(ENCODING, frame));
            let frames = frames.filter(|bytes| !bytes.is_empty());
            return offered(self.0.send_each(frames.map(|bytes| Frame::from_bytes(bytes.clone()))));
        }
        let mut pieces = deliveries.joined(ENCODING, BYTES_PER_WRITE, frame).iter();
        offered(pieces.try_for_each(|piece| self.0.send_all(&Frames::from_bytes(piece.clone()))))
    }
}

fn offered(sent: Result<(), ConnectionEnded>) -> Offered {
    sent.map_or(Offered::Refused, |()| Offered::Accepted)
}
