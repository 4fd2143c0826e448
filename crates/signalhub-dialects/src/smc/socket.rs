//! The sockets at `/{version}/notification/socket`: each context that a client asks for is a subscription with a number.

use std::sync::Arc;
use std::time::Duration;

use signalhub_connections::{
    ApplicationLimit, BoxFuture, ClientError, CloseCode, CloseFrame, CloseReason, Connection, ConnectionCounts,
    ConnectionHandler, Frame, Intake, MessageKind, Outbound, Received, TokenBucket,
};
use signalhub_events::{
    ClientName, Deliveries, Delivery, EventName, Filter, Flushing, Offered, SubscribeError, Subscriber, Subscriptions,
};
use tokio::time::Instant;

use super::change::ELEMENTS_CHANGED;
use super::command::{Answer, Command};
use super::event_text::EventText;
use super::opening::Opening;
use super::selection::{Selection, SelectionError};
use super::state::State;
use crate::client_name::client_name;
use crate::connection_end::log_end;
use crate::dismissed::dismissed;
use crate::flushed::flushed;
use crate::offered::offered;

/// The longest message of a client.
const LONGEST_MESSAGE: usize = 64 * 1024;

/// How often a client gets an empty object, so that proxies keep its connection open. WebSocket pings are not sent: the vendor's
/// Python client ends its subscription if no message follows a ping within three seconds.
const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(30);

/// Serves the sockets of all versions.
pub(super) struct NotificationSockets {
    pub(super) state: Arc<State>,
    /// Where refused commands are counted.
    pub(super) counts: ConnectionCounts,
}

impl ConnectionHandler for NotificationSockets {
    fn handle(self: Arc<Self>, mut connection: Connection) -> BoxFuture<()> {
        Box::pin(async move {
            connection.set_protocol("smc");
            let end = match connection.identity().attachment::<Opening>() {
                Some(opening) => match opening.session.open_socket(connection.outbound()) {
                    Some(_socket) => serve(&self, &opening, &mut connection).await,
                    None => End::SessionEnded,
                },
                None => End::Reason(CloseReason::Refused),
            };
            // In an allocation of its own, so that a connection takes no memory for its end while it lives.
            Box::pin(close(connection, end)).await;
        })
    }
}

/// Why a socket is closed.
enum End {
    Reason(CloseReason),
    SessionEnded,
    Dismissed,
    Drain,
}

async fn close(connection: Connection, end: End) {
    let (reason, frame) = match end {
        End::Reason(reason) => {
            log_end(reason);
            return connection.close(reason).await;
        }
        End::SessionEnded => {
            let frame = CloseFrame::new(CloseCode::POLICY_VIOLATION, "the session has ended");
            (CloseReason::CredentialsExpired, frame)
        }
        End::Dismissed => (CloseReason::Dismissed, dismissed(connection.dismissal().as_ref())),
        End::Drain => (CloseReason::ServerShutdown, CloseFrame::new(CloseCode::GOING_AWAY, "the server stops")),
    };
    log_end(reason);
    connection.close_with(reason, frame).await;
}

/// Serves a socket until something ends it. Its subscriptions end before it is closed.
async fn serve(sockets: &NotificationSockets, opening: &Opening, connection: &mut Connection) -> End {
    if connection.read_messages(LONGEST_MESSAGE).is_err() {
        return End::Reason(CloseReason::Refused);
    }
    let mut channels = Channels::new(sockets, opening, connection);
    let mut last_heartbeat = Instant::now();
    connection.skip_ticks_for(HEARTBEAT_INTERVAL);
    loop {
        match connection.receive(Intake::Open).await {
            Received::Message { kind } => {
                channels.on_message(kind, connection.input());
                connection.consume(connection.input().len());
            }
            Received::Tick => {
                let now = Instant::now();
                if now.duration_since(last_heartbeat) >= HEARTBEAT_INTERVAL {
                    last_heartbeat = now;
                    channels.send(&Frame::new(MessageKind::Text, b"{}"));
                }
                connection.skip_ticks_for(HEARTBEAT_INTERVAL.saturating_sub(now.duration_since(last_heartbeat)));
            }
            Received::Ended(reason) => return End::Reason(reason),
            Received::Aborted if connection.dismissal().is_some() => return End::Dismissed,
            Received::Aborted => return End::SessionEnded,
            Received::Drain => return End::Drain,
            _ => {}
        }
    }
}

/// The subscriptions of a socket.
struct Channels<'a> {
    sockets: &'a NotificationSockets,
    opening: &'a Opening,
    outbound: Outbound,
    client: Arc<ClientName>,
    /// By their ids, which count up.
    open: Vec<(u64, Subscriptions)>,
    next: u64,
    commands: Option<TokenBucket>,
}

impl<'a> Channels<'a> {
    fn new(sockets: &'a NotificationSockets, opening: &'a Opening, connection: &Connection) -> Self {
        let commands = sockets.state.command_rate.map(|rate| TokenBucket::new(rate, Instant::now()));
        let (outbound, client) = (connection.outbound(), Arc::new(client_name(connection)));
        Self { sockets, opening, outbound, client, open: Vec::new(), next: 0, commands }
    }

    fn send(&self, frame: &Frame) {
        // If the connection accepts no more frames, its end is the next that it receives.
        let _ = self.outbound.send(frame);
    }

    /// Answers a message.
    fn on_message(&mut self, kind: MessageKind, message: &[u8]) {
        if let Some(Err(_)) = self.commands.as_mut().map(|commands| commands.take(1, Instant::now())) {
            return self.refuse(Reason::Limit(ApplicationLimit::Commands), &"too many commands: try again later");
        }
        match Command::read(kind, message) {
            Ok(Command::Subscribe { context }) => self.subscribe(&context),
            Ok(Command::Unsubscribe { subscription_id }) => self.unsubscribe(subscription_id),
            Err(error) => self.refuse(Reason::Error(ClientError::InvalidCommand), &error),
        }
    }

    /// Answers a command that is refused.
    fn refuse(&self, reason: Reason, failure: &impl ToString) {
        let counts = &self.sockets.counts;
        let label = match reason {
            Reason::Error(error) => {
                counts.count_client_error(error);
                error.label()
            }
            Reason::Limit(limit) => {
                counts.count_refusal(limit);
                limit.label()
            }
        };
        let account = &*self.opening.session.account().name;
        let failure = failure.to_string();
        tracing::debug!(reason = label, account, failure, "a command of an SMC client was refused");
        self.send(&Answer::failure(&failure).to_frame());
    }

    /// Adds a subscription of its own for each context, also if others overlap it: each gets its own copy of an event.
    fn subscribe(&mut self, context: &str) {
        // The answer is queued first and written last: behind it, the client gets all that is published after it.
        self.outbound.cork();
        match self.open(context) {
            Ok((id, subscriptions)) => self.open.push((id, subscriptions)),
            Err(error) => self.refuse(error.reason(), &error),
        }
        self.outbound.uncork();
    }

    fn open(&mut self, context: &str) -> Result<(u64, Subscriptions), OpenError> {
        let state = &self.sockets.state;
        let most = state.contexts_per_connection;
        if self.open.len() >= most {
            return Err(OpenError::TooMany(most));
        }
        let account = self.opening.session.account();
        let named = Selection::read(context, &state.element_types, |known| account.sees(known.as_str()))?;
        let (id, scope) = (self.next, account.scope());
        let (text, client) = (Arc::clone(&self.opening.text), Arc::clone(&self.client));
        let subscriber = Channel { text, outbound: self.outbound.clone(), client, id };
        let mut subscriptions = state.broker.attach(subscriber, scope);
        let all = Filter::new(EventName::new(ELEMENTS_CHANGED));
        let filters = match named {
            Selection::All => vec![all],
            Selection::Types(types) => types.iter().map(|named| all.clone().with_resource(named.resource())).collect(),
        };
        filters.iter().try_for_each(|filter| subscriptions.check(filter))?;
        self.send(&Answer::subscribed(context, id).to_frame());
        filters.iter().try_for_each(|filter| subscriptions.add(filter).map(drop))?;
        self.next += 1;
        Ok((id, subscriptions))
    }

    fn unsubscribe(&mut self, subscription_id: u64) {
        match self.open.iter().position(|(id, _)| *id == subscription_id) {
            Some(place) => {
                // Events of the subscription that are on their way may follow the answer.
                drop(self.open.remove(place));
                self.send(&Answer::unsubscribed(subscription_id).to_frame());
            }
            None => {
                let failure = format!("Unknown subscription_id {subscription_id}");
                self.refuse(Reason::Error(ClientError::InvalidCommand), &failure);
            }
        }
    }
}

/// Why a subscription is refused.
#[derive(Debug, thiserror::Error)]
enum OpenError {
    #[error("a connection has at most {0} subscriptions: unsubscribe from others first")]
    TooMany(usize),
    #[error(transparent)]
    Selection(#[from] SelectionError),
    #[error(transparent)]
    Subscribe(#[from] SubscribeError),
}

impl OpenError {
    fn reason(&self) -> Reason {
        match self {
            Self::TooMany(_) => Reason::Limit(ApplicationLimit::Subscriptions),
            Self::Selection(_) | Self::Subscribe(_) => Reason::Error(ClientError::InvalidCommand),
        }
    }
}

/// How a refused command is counted.
#[derive(Clone, Copy)]
enum Reason {
    Error(ClientError),
    Limit(ApplicationLimit),
}

/// A subscription of a socket.
struct Channel {
    text: Arc<EventText>,
    outbound: Outbound,
    client: Arc<ClientName>,
    id: u64,
}

impl Subscriber for Channel {
    fn prefetch(&self) {
        self.outbound.prefetch();
    }

    fn offer(&self, delivery: &Delivery) -> Offered {
        let frame = self.text.frame(delivery, self.id);
        offered(self.outbound.deliver(&Frame::from_bytes(frame), delivery.accepted()))
    }

    fn offer_all(&self, deliveries: &Deliveries) -> Offered {
        let frames = deliveries
            .each()
            .iter()
            .map(|delivery| (Frame::from_bytes(self.text.frame(delivery, self.id)), delivery.accepted()));
        offered(self.outbound.deliver_each(frames))
    }

    fn flushed(&self) -> Option<Flushing> {
        Some(flushed(&self.outbound))
    }

    fn client(&self) -> Option<ClientName> {
        Some(ClientName::clone(&self.client))
    }
}
