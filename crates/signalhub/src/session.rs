//! The life of one connection in the hub.
//!
//! One task runs a session: the handshake, `on_connected`, the loop, the Close message and `on_disconnected`. The task owns
//! everything that belongs to the connection; other tasks send through
//! [`Outbound`](signalhub_connections::Outbound).
//!
//! Two states decide what the loop does. [`ReadState`] says whether messages are read, and if not, what blocks them:
//!
//! ```text
//!                 on_connected                  a call finds no slot
//!   Connecting ───────────────▶ Reading ◀──────────────────────────────▶ WaitingForSlot(call)
//!                 succeeded        ▲             a slot is free
//!                                  │
//!                                  │  an item fills its upload / the upload has room
//!                                  └───────────────────────────────────▶ UploadFull(upload)
//! ```
//!
//! [`Life`] says how far the connection is on its way to its end. A session can end in each of these states:
//!
//! ```text
//!          the server stops
//!   Open ───────────────────▶ Draining { since }      no call starts; running calls have the grace period
//!    │
//!    │     the transport ends
//!    └──────────────────────▶ TransportEnded(reason)  the messages that came before are still read
//! ```

mod answers;
mod ending;
mod handshake;
mod inbound;
mod liveness;
mod numbering;
mod pending;
mod reading;
mod resumption;
mod running;
mod streaming;
mod uploads;

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use signalhub_connections::{CloseReason, Connection, Intake, Received, Reconnect};
use signalhub_protocol::HubMessage;
use tokio::time::Instant;

use crate::calls::call::{Call, Occasion};
use crate::calls::handler::{CallResult, catch_panic};
use crate::clients::client::{Client, frame};
use crate::clients::membership::Membership;
use crate::clients::targets::CalledFrom;
use crate::definition::HubDefinition;
use crate::request::{Request, Requests};
use crate::state::HubState;
use answers::CallDone;
use ending::Ending;
use handshake::{Agreement, Unfinished};
use inbound::Action;
use liveness::Liveness;
use reading::ReadState;
use resumption::{Resumption, acknowledging};
use running::RunningCalls;

/// How much input is taken from the transport while messages are not read (the original's `ApplicationMaxBufferSize`).
const MAX_BLOCKED_INPUT: usize = 64 * 1024;

/// How many client timeouts a client may be silent while reading is blocked.
///
/// The original sets no limit there. Here the client must ping, as all official clients do.
const TIMEOUTS_WHILE_BLOCKED: u32 = 4;

/// How many times in a row a session reads from a client that always has more input, before other tasks run.
const READS_PER_TURN: u32 = 8;

/// Serves one connection from its handshake to its end.
///
/// The first and the last stage are boxed, so that an idle connection holds the memory of the loop alone.
pub(crate) fn run(
    definition: Arc<HubDefinition>,
    state: Arc<HubState>,
    connection: Connection,
) -> impl Future<Output = ()> + Send {
    let starting = Box::pin(start(definition, state, connection));
    async move {
        if let Some(mut session) = starting.await {
            let ending = session.serve().await;
            Box::pin(session.finish(ending)).await;
        }
    }
}

/// Performs the handshake; returns `None` when the connection ended with it.
async fn start(
    definition: Arc<HubDefinition>,
    state: Arc<HubState>,
    mut connection: Connection,
) -> Option<Box<Session>> {
    let Agreement { protocol, reconnect } = match handshake::shake_hands(&state.options, &mut connection).await {
        Ok(agreement) => agreement,
        Err(Unfinished { reason, detail }) => {
            ending::log(reason, detail.as_deref());
            connection.close(reason).await;
            return None;
        }
    };
    let identity = Arc::clone(connection.identity());
    let request = match definition.requests {
        Requests::Kept => Some(Request::new(&connection, protocol, reconnect)),
        Requests::Unused | Requests::Dropped => None,
    };
    let client = Client::new(connection.id().clone(), identity, protocol, connection.outbound(), request);
    let client = Arc::new(client);
    let resumption = match reconnect {
        Reconnect::Plain => None,
        Reconnect::Stateful => Some(Box::new(Resumption::new(protocol, connection.outbound()))),
    };
    Some(Box::new(Session {
        resumption,
        membership: Membership::new(Arc::clone(&state.clients), Arc::clone(&client)),
        calls: RunningCalls::new(definition, state, client),
        connection,
        reading: ReadState::Connecting,
        searched: 0,
        life: Life::Open,
        liveness: Liveness::new(Instant::now()),
    }))
}

/// A connection between its handshake and its end.
struct Session {
    connection: Connection,
    /// On a connection that can be resumed.
    resumption: Option<Box<Resumption>>,
    membership: Membership,
    calls: RunningCalls,
    reading: ReadState,
    /// How many bytes of the input are known to be an incomplete message.
    searched: usize,
    life: Life,
    liveness: Liveness,
}

/// How far a connection is on its way to its end.
#[derive(Clone, Copy)]
enum Life {
    Open,
    /// The server stops: no call starts, and running calls may end within the grace period.
    Draining {
        since: Instant,
    },
    /// The transport has ended; the messages that came before are still read.
    TransportEnded(CloseReason),
}

impl Session {
    fn client(&self) -> &Arc<Client> {
        self.calls.client()
    }

    /// Runs until something ends the connection.
    async fn serve(&mut self) -> Ending {
        let connected = self.calls.start_on_connected();
        // The answer to the handshake is sent from here on. The client is registered by now, and is in the groups to which
        // `on_connected` adds it before the hook first waits.
        self.client().outbound().uncork();
        if let Some(ending) = connected.and_then(|done| self.on_call_done(done)) {
            return ending;
        }
        let mut rounds = 0_u32;
        loop {
            if let Some(ending) = self.resume().or_else(|| self.read_messages()) {
                return ending;
            }
            rounds = rounds.wrapping_add(1);
            if rounds.is_multiple_of(READS_PER_TURN) {
                tokio::task::yield_now().await;
            }
            if let Life::TransportEnded(reason) = self.life {
                match self.reading {
                    // An upload that is full never gets its end, so there is no reason to wait for its reader.
                    ReadState::Reading | ReadState::UploadFull(_) => return self.transport_ended(reason),
                    ReadState::Connecting | ReadState::WaitingForSlot(_) => {}
                }
                let done = self.calls.next().await;
                if let Some(ending) = self.on_call_done(done) {
                    return ending;
                }
                continue;
            }
            if self.reading.is_blocked()
                && let Some(resumption) = &mut self.resumption
            {
                resumption.look_ahead(self.connection.input());
            }
            let intake = self.intake();
            let ending = tokio::select! {
                done = self.calls.next() => self.on_call_done(done),
                received = self.connection.receive(intake) => self.on_received(received),
                () = acknowledging(&mut self.resumption) => None,
            };
            if let Some(ending) = ending {
                return ending;
            }
        }
    }

    /// Whether more input is taken from the transport: a bounded amount while reading is blocked.
    fn intake(&self) -> Intake {
        match self.reading.is_blocked() && self.connection.input().len() >= MAX_BLOCKED_INPUT {
            true => Intake::Paused,
            false => Intake::Open,
        }
    }

    /// Checks whether what blocked reading is over.
    fn resume(&mut self) -> Option<Ending> {
        if let ReadState::UploadFull(upload) = &self.reading
            && upload.has_room()
        {
            self.read_on();
        }
        if let Life::Draining { .. } = self.life {
            return self.calls.is_idle().then_some(Ending::Shutdown);
        }
        let ReadState::WaitingForSlot(_) = self.reading else { return None };
        let slot = self.calls.take_slot()?;
        let call = self.reading.take_waiting_call()?;
        self.read_on();
        self.calls.start(call, Some(slot)).and_then(|done| self.on_call_done(done))
    }

    /// Starts to read, and restarts the timeout of the client, as the original does.
    fn read_on(&mut self) {
        self.reading = ReadState::Reading;
        if self.liveness.on_activity() {
            self.connection.skip_ticks_for(Duration::ZERO);
        }
    }

    fn on_received(&mut self, received: Received) -> Option<Ending> {
        match received {
            Received::Tick => return self.on_tick(Instant::now()),
            Received::Bytes if self.reading.is_blocked() => {
                // The message is not read yet, but it shows that the client is alive.
                self.liveness.on_activity();
            }
            Received::Drain => {
                self.life = Life::Draining { since: Instant::now() };
                self.connection.skip_ticks_for(Duration::ZERO);
            }
            Received::Reconnected => {
                if let Some(resumption) = &mut self.resumption {
                    resumption.on_reconnected();
                }
                self.searched = 0;
                self.liveness.on_activity();
                self.connection.skip_ticks_for(Duration::ZERO);
            }
            Received::Renewed => {
                let client = self.calls.client();
                client.renew(Arc::clone(self.connection.identity()));
                if let Some(subscriptions) = &self.calls.definition().subscriptions {
                    subscriptions.renew(client);
                }
            }
            Received::Expired => return Some(Ending::Expired),
            Received::Aborted => return Some(Ending::Aborted),
            Received::Ended(CloseReason::SlowConsumer) => return Some(self.transport_ended(CloseReason::SlowConsumer)),
            Received::Ended(reason) => return self.on_transport_ended(reason),
            _ => {}
        }
        None
    }

    fn on_transport_ended(&mut self, reason: CloseReason) -> Option<Ending> {
        self.connection.read_rest();
        self.client().ended().raise();
        match self.life {
            Life::Open | Life::TransportEnded(_) => {
                self.life = Life::TransportEnded(reason);
                None
            }
            // No call starts any more, so nothing is worth waiting for.
            Life::Draining { .. } => {
                let ending = self.resume().or_else(|| self.read_messages());
                ending.or_else(|| Some(self.transport_ended(reason)))
            }
        }
    }

    fn transport_ended(&self, reason: CloseReason) -> Ending {
        let unfinished = !self.connection.input().is_empty() && !self.reading.is_blocked();
        Ending::Transport { reason, unfinished }
    }

    /// Reads whole messages until reading is blocked. The answers to several messages are written together.
    fn read_messages(&mut self) -> Option<Ending> {
        let mut corked = false;
        let ending = self.read_each(&mut corked);
        if corked {
            self.client().outbound().uncork();
        }
        ending
    }

    fn read_each(&mut self, corked: &mut bool) -> Option<Ending> {
        while !self.reading.is_blocked() && !self.connection.input().is_empty() {
            let (resumption, input) = (self.resumption.as_deref_mut(), self.connection.input());
            let searched = std::mem::replace(&mut self.searched, input.len());
            let (action, consumed) = inbound::next(&mut self.calls, resumption, input, searched)?;
            self.searched = 0;
            self.connection.consume(consumed);
            if let Some(resumption) = &mut self.resumption {
                resumption.on_consumed(consumed);
            }
            self.liveness.on_activity();
            if !*corked && !self.connection.input().is_empty() {
                self.client().outbound().cork();
                *corked = true;
            }
            if let Some(ending) = self.act(action) {
                return Some(ending);
            }
        }
        None
    }

    fn act(&mut self, action: Action) -> Option<Ending> {
        match action {
            Action::Ping => {
                if self.liveness.on_ping() {
                    self.connection.skip_ticks_for(Duration::ZERO);
                }
            }
            Action::Ignore => {}
            Action::Answer { id, error } => answers::complete_with_error(self.client(), &id, error),
            Action::Block(upload) => self.reading = ReadState::UploadFull(upload),
            // While the server stops, messages about running calls are read, but no call starts.
            Action::Call(_) if matches!(self.life, Life::Draining { .. }) => {}
            Action::Call(call) if call.needs_slot() => match self.calls.take_slot() {
                Some(slot) => return self.calls.start(call, Some(slot)).and_then(|done| self.on_call_done(done)),
                None => self.reading = ReadState::WaitingForSlot(call),
            },
            Action::Call(call) => return self.calls.start(call, None).and_then(|done| self.on_call_done(done)),
            Action::End(ending) => return Some(ending),
        }
        None
    }

    fn on_call_done(&mut self, done: CallDone) -> Option<Ending> {
        match done {
            CallDone::Answered | CallDone::Resumed => {}
            CallDone::Failed(error) => self.calls.state().call_errors.count(error),
            CallDone::Connected => self.read_on(),
            CallDone::Refused(error) => return Some(Ending::Refused(error)),
            CallDone::Unserialisable(error) => return Some(Ending::Unserialisable(error)),
        }
        None
    }

    fn on_tick(&mut self, now: Instant) -> Option<Ending> {
        if self.intake() == Intake::Paused || self.connection.is_suspended() {
            // The client's pings cannot be seen while its input is not taken. That the client has gone is noticed when
            // writes to it fail.
            self.liveness.on_activity();
        }
        let state = self.calls.state();
        if self.connection.needs_pings() && self.liveness.ping_is_due(now, state.options.keep_alive_interval) {
            let client = self.calls.client();
            let _ = client.outbound().send_unretained(state.ping(client.protocol()));
        }
        if let Life::Draining { since } = self.life
            && now.duration_since(since) >= state.options.shutdown_grace
        {
            return Some(Ending::Shutdown);
        }
        let silent = self.liveness.time_to_timeout(now, self.client_timeout()).is_some_and(|left| left.is_zero());
        self.connection.skip_ticks_for(self.idle_time(now));
        silent.then_some(Ending::ClientTimeout)
    }

    fn client_timeout(&self) -> Duration {
        let timeouts = if self.reading.is_blocked() { TIMEOUTS_WHILE_BLOCKED } else { 1 };
        self.calls.state().options.client_timeout_interval.saturating_mul(timeouts)
    }

    /// How long ticks have nothing to do, unless something happens.
    fn idle_time(&self, now: Instant) -> Duration {
        let options = &self.calls.state().options;
        let grace_left = match self.life {
            Life::Draining { since } => Some(options.shutdown_grace.saturating_sub(now.duration_since(since))),
            Life::Open | Life::TransportEnded(_) => None,
        };
        let due = [
            self.connection.needs_pings().then(|| self.liveness.time_to_ping(now, options.keep_alive_interval)),
            grace_left,
            self.liveness.time_to_timeout(now, self.client_timeout()),
        ];
        due.into_iter().flatten().min().unwrap_or(Duration::MAX)
    }

    /// Waits until `on_connected` has succeeded or failed, so that `on_disconnected` never runs beside it. Returns whether
    /// it refused the client.
    async fn wait_for_on_connected(&mut self, ending: &Ending) -> bool {
        let mut refused = matches!(ending, Ending::Refused(_));
        while matches!(self.reading, ReadState::Connecting) && !refused {
            match self.calls.next().await {
                CallDone::Connected => self.reading = ReadState::Reading,
                CallDone::Refused(_) => refused = true,
                CallDone::Answered | CallDone::Failed(_) | CallDone::Resumed | CallDone::Unserialisable(_) => {}
            }
        }
        refused
    }

    /// Sends the Close message, runs `on_disconnected`, and ends the transport, in this order. When the server stops, the
    /// client is disconnected while `on_disconnected` runs.
    async fn finish(mut self: Box<Self>, ending: Ending) {
        ending::log(ending.close_reason(), ending.detail().as_deref());
        if ending.close_reason() == CloseReason::SlowConsumer
            && let Some(unreported) = self.calls.state().slow_client_warnings.admit(Instant::now())
        {
            let id = self.connection.id().for_log();
            tracing::warn!(id, unreported, "a client was closed because it read too slowly, or not at all");
        }
        let refused = self.wait_for_on_connected(&ending).await;
        let Self { mut connection, membership, calls, .. } = *self;
        let (definition, state) = (Arc::clone(calls.definition()), Arc::clone(calls.state()));
        let client = Arc::clone(calls.client());
        if let Some(mut close) = ending.message(&state.options) {
            // Whatever else ended the connection: a client that was aborted must not reconnect by itself.
            close.allow_reconnect &= !client.outbound().is_aborting();
            connection.send_last(&frame(client.protocol(), &HubMessage::Close(close)), ending.close_reason());
        }
        drop(membership);
        calls.detach();
        let mut reason = ending.close_reason();
        if let Some(hook) = definition.on_disconnected.as_ref().filter(|_| !refused) {
            let call =
                Call::new(client, state, CalledFrom::Method(None), Occasion::Disconnected(ending.disconnected()));
            let leaving = async {
                match reason {
                    CloseReason::ServerShutdown => connection.send_away().await,
                    _ => connection.flush().await,
                }
            };
            if let CallResult::Failed(error) = wait_while(catch_panic(hook.run(call)), leaving).await {
                tracing::warn!(id = connection.id().for_log(), %error, "on_disconnected failed");
                if reason != CloseReason::ServerShutdown {
                    reason = CloseReason::HandlerFailed;
                }
            }
        }
        connection.close(reason).await;
    }
}

/// Waits for `awaited` and drives `meanwhile` until then: the last messages are sent without waiting for a slow hook.
async fn wait_while<T>(awaited: impl Future<Output = T>, meanwhile: impl Future<Output = ()>) -> T {
    let mut awaited = pin!(awaited);
    tokio::select! {
        done = &mut awaited => return done,
        () = meanwhile => {}
    }
    awaited.await
}

#[cfg(test)]
mod tests;
