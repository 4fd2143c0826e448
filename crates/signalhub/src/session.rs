//! A session: one connection in the hub, from its handshake to its end.
//!
//! One task runs a session: the handshake, `on_connected`, the loop, the Close message and `on_disconnected`. The task owns
//! the state of the connection; other tasks send to the client through
//! [`Outbound`](signalhub_connections::Outbound).
//!
//! Two states decide what the loop does: [`ReadState`] says whether messages are read, and if not, what blocks them; [`Life`]
//! says whether the connection is on its way to its end.

mod answers;
mod disconnecting;
mod ending;
mod handshake;
mod inbound;
mod life;
mod liveness;
mod numbering;
mod pending;
mod reading;
mod resumption;
mod running;
mod streaming;
mod uploads;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use signalhub_connections::{CloseReason, Connection, Intake, Received, Reconnect};
use tokio::time::Instant;

use crate::clients::client::Client;
use crate::clients::membership::Membership;
use crate::definition::HubDefinition;
use crate::request::{Request, Requests};
use crate::state::HubState;
use crate::subscription_manager::Told;
use answers::CallDone;
use disconnecting::{Admission, disconnect};
use ending::Ending;
use handshake::{Agreement, Unfinished};
use inbound::Action;
use life::Life;
use liveness::Liveness;
use reading::ReadState;
use resumption::{Resumption, acknowledging};
use running::RunningCalls;

/// How many bytes are taken from the transport while reading is blocked (the original's `ApplicationMaxBufferSize`).
const MAX_BLOCKED_INPUT: usize = 64 * 1024;

/// While reading is blocked, a client may be silent for this number of client timeouts.
///
/// The original has no timeout then. All official clients send pings, so a client that is alive is not silent.
const TIMEOUTS_WHILE_BLOCKED: u32 = 4;

/// How many rounds the loop runs before it yields to other tasks, for clients that always have more input.
const READS_PER_TURN: u32 = 8;

/// Serves one connection from its handshake to its end.
///
/// The first and the last stage are boxed, so that an idle connection takes only the memory of the loop.
pub(crate) fn run(
    definition: Arc<HubDefinition>,
    state: Arc<HubState>,
    connection: Connection,
) -> impl Future<Output = ()> + Send {
    let starting = Box::pin(start(definition, state, connection));
    async move {
        if let Some(mut session) = starting.await {
            // A panic that no call caught, such as one in the `Drop` of an argument, ends the session like any other cause.
            let served = AssertUnwindSafe(session.serve()).catch_unwind().await;
            let ending = served.unwrap_or(Ending::Panicked);
            Box::pin(session.finish(ending)).await;
        }
    }
}

/// Performs the handshake; returns `None` if the connection ends there.
async fn start(
    definition: Arc<HubDefinition>,
    state: Arc<HubState>,
    mut connection: Connection,
) -> Option<Box<Session>> {
    let Agreement { protocol, reconnect } = match handshake::shake_hands(&state.options, &mut connection).await {
        Ok(agreement) => agreement,
        Err(Unfinished { reason, detail }) => {
            state.handshakes.count_failed(handshake::outcome(reason));
            ending::log(reason, detail.as_deref());
            connection.close(reason).await;
            return None;
        }
    };
    state.handshakes.count_agreed(protocol);
    connection.set_protocol(protocol.name());
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
    let (membership, confirmations) = Membership::new(Arc::clone(&state.clients), Arc::clone(&client));
    for confirmation in confirmations {
        // A server that the others cannot reach now still serves its clients. They are reached when it is connected again.
        if confirmation.await.is_err() {
            tracing::debug!("other servers do not reach the client yet");
        }
    }
    Some(Box::new(Session {
        resumption,
        membership,
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
    /// `Some` on a connection with stateful reconnect.
    resumption: Option<Box<Resumption>>,
    membership: Membership,
    calls: RunningCalls,
    reading: ReadState,
    /// How many bytes of the input are known to be an incomplete message.
    searched: usize,
    life: Life,
    liveness: Liveness,
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
                    // The rest of a full upload cannot arrive any more, so the session does not wait for its reader.
                    ReadState::Reading | ReadState::UploadFull(_) => return self.transport_ended(reason),
                    ReadState::Connecting | ReadState::WaitingForSlot(_) => {}
                }
                let done = self.calls.next(&self.reading).await;
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
                done = self.calls.next(&self.reading) => self.on_call_done(done),
                received = self.connection.receive(intake) => self.on_received(received),
                () = acknowledging(&mut self.resumption) => None,
            };
            if let Some(ending) = ending {
                return ending;
            }
        }
    }

    /// Whether more input is taken from the transport. While reading is blocked, that is limited.
    fn intake(&self) -> Intake {
        match self.reading.is_blocked() && self.connection.input().len() >= MAX_BLOCKED_INPUT {
            true => Intake::Paused,
            false => Intake::Open,
        }
    }

    /// Unblocks reading if its cause is over, and starts the call that waited for a slot.
    fn resume(&mut self) -> Option<Ending> {
        if let ReadState::UploadFull(upload) = &self.reading
            && upload.has_room()
        {
            self.read_on();
        }
        if self.life.is_draining() {
            return self.calls.is_idle().then_some(Ending::Shutdown);
        }
        let ReadState::WaitingForSlot(_) = self.reading else { return None };
        let slot = self.calls.take_slot()?;
        let call = self.reading.take_waiting_call()?;
        self.read_on();
        self.calls.start(call, Some(slot), &self.connection).and_then(|done| self.on_call_done(done))
    }

    /// Starts to read messages, and restarts the timeout of the client, as the original does.
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
                // The bytes are not decoded yet, but they show that the client is alive.
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
            Received::Aborted => {
                return Some(self.connection.dismissal().map_or(Ending::Aborted, Ending::Dismissed));
            }
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
            // No call starts any more, so the session does not wait for what blocks reading.
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
            // While the server stops, messages for running calls are handled, but no call starts.
            Action::Call(_) if self.life.is_draining() => {}
            Action::Call(call) if call.needs_slot() => match self.calls.take_slot() {
                Some(slot) => {
                    return self
                        .calls
                        .start(call, Some(slot), &self.connection)
                        .and_then(|done| self.on_call_done(done));
                }
                None => self.reading = ReadState::WaitingForSlot(call),
            },
            Action::Call(call) => {
                return self.calls.start(call, None, &self.connection).and_then(|done| self.on_call_done(done));
            }
            Action::End(ending) => return Some(ending),
        }
        None
    }

    fn on_call_done(&mut self, done: CallDone) -> Option<Ending> {
        match done {
            CallDone::Answered | CallDone::Resumed => {}
            CallDone::Failed(failure) => self.calls.fail(&failure.method, &failure.error),
            CallDone::Connected => self.read_on(),
            CallDone::Refused(error) => return Some(Ending::Refused(error)),
            CallDone::Unserialisable(failure) => {
                self.calls.state().log_failure(self.client().id(), &failure.method, &failure.error);
                return Some(Ending::Unserialisable(failure.error.to_string()));
            }
        }
        None
    }

    fn on_tick(&mut self, now: Instant) -> Option<Ending> {
        if self.intake() == Intake::Paused || self.connection.is_suspended() {
            // Pings are not received while no input is taken. If the client has gone, a write to it fails.
            self.liveness.on_activity();
        }
        let state = self.calls.state();
        if self.connection.needs_pings() && self.liveness.ping_is_due(now, state.options.keep_alive_interval) {
            let client = self.calls.client();
            if self.tell_positions() == Told::Nothing {
                let _ = client.outbound().send_unretained(state.ping(client.protocol()));
            }
        }
        if self.life.grace_left(now, state.options.shutdown_grace).is_some_and(|left| left.is_zero()) {
            return Some(Ending::Shutdown);
        }
        let silent = self.liveness.time_to_timeout(now, self.client_timeout()).is_some_and(|left| left.is_zero());
        self.connection.skip_ticks_for(self.idle_time(now));
        silent.then_some(Ending::ClientTimeout)
    }

    /// Tells a client that has used `since` how far it has got its events.
    fn tell_positions(&self) -> Told {
        match &self.calls.definition().subscriptions {
            Some(subscriptions) if !self.connection.is_suspended() => subscriptions.tell_positions(self.client()),
            _ => Told::Nothing,
        }
    }

    fn client_timeout(&self) -> Duration {
        let timeouts = if self.reading.is_blocked() { TIMEOUTS_WHILE_BLOCKED } else { 1 };
        self.calls.state().options.client_timeout_interval.saturating_mul(timeouts)
    }

    /// How long ticks can be skipped, unless something happens before.
    fn idle_time(&self, now: Instant) -> Duration {
        let options = &self.calls.state().options;
        let due = [
            self.connection.needs_pings().then(|| self.liveness.time_to_ping(now, options.keep_alive_interval)),
            self.life.grace_left(now, options.shutdown_grace),
            self.liveness.time_to_timeout(now, self.client_timeout()),
        ];
        due.into_iter().flatten().min().unwrap_or(Duration::MAX)
    }

    /// Ends the session. `on_connected` ends first, so that `on_disconnected` never runs beside it.
    async fn finish(mut self: Box<Self>, ending: Ending) {
        disconnecting::report(&ending, self.connection.id(), self.calls.state());
        let admission = self.wait_for_on_connected(&ending).await;
        let Self { connection, membership, calls, .. } = *self;
        disconnect(connection, membership, calls, ending, admission).await;
    }

    /// Waits until `on_connected` has succeeded or failed.
    async fn wait_for_on_connected(&mut self, ending: &Ending) -> Admission {
        if let Ending::Refused(_) = ending {
            return Admission::Refused;
        }
        while let ReadState::Connecting = self.reading {
            if self.calls.is_idle() {
                // The session panicked before the hook ran.
                return Admission::Refused;
            }
            match self.calls.next(&self.reading).await {
                CallDone::Connected => self.reading = ReadState::Reading,
                CallDone::Refused(_) => return Admission::Refused,
                CallDone::Failed(failure) | CallDone::Unserialisable(failure) => {
                    self.calls.fail(&failure.method, &failure.error);
                }
                CallDone::Answered | CallDone::Resumed => {}
            }
        }
        Admission::Admitted
    }
}

#[cfg(test)]
mod tests;
