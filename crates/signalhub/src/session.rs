//! The life of one connection in the hub.
//!
//! One task runs it: handshake, `on_connected`, the loop, the farewell, `on_disconnected`. Everything that belongs to the
//! connection is owned by this task; others reach it through [`Outbound`](signalhub_connections::Outbound).

mod answers;
mod ending;
mod handshake;
mod inbound;
mod numbering;
mod resumption;
mod running;
mod streaming;
mod uploads;

use std::sync::Arc;
use std::time::Duration;

use signalhub_connections::{CloseReason, Connection, Intake, Received, Reconnect};
use tokio::time::Instant;

use crate::calls::upload::UploadSink;
use crate::clients::client::Client;
use crate::clients::membership::Membership;
use crate::state::HubCore;
use ending::Ending;
use handshake::{Agreement, Unfinished};
use inbound::{Action, PendingCall};
use resumption::{Resumption, acknowledging};
use running::{CallDone, RunningCalls};

/// How much input may pile up while something holds up the loop (the original's `ApplicationMaxBufferSize`).
const HELD_INPUT: usize = 64 * 1024;

/// A client that says nothing while its calls hold up the loop has this many times its timeout. The original lets it be
/// silent for as long as that lasts; here it must ping, as all official clients do, or it is taken for gone.
const HELD_UP_PATIENCE: u32 = 4;

/// A client that always has more to say is read so many times before others get their turn.
const ROUNDS_PER_TURN: u32 = 8;

/// Serves one connection from its handshake to its end.
///
/// The first and the last stage have places of their own on the heap, so that an idle connection carries the loop alone.
pub(crate) fn run(core: Arc<HubCore>, connection: Connection) -> impl Future<Output = ()> + Send {
    let starting = Box::pin(start(core, connection));
    async move {
        if let Some(mut session) = starting.await {
            let ending = session.serve().await;
            Box::pin(session.finish(ending)).await;
        }
    }
}

/// Shakes hands; `None` when that was the end of the connection.
async fn start(core: Arc<HubCore>, mut connection: Connection) -> Option<Box<Session>> {
    let Agreement { protocol, reconnect } = match handshake::shake_hands(&core, &mut connection).await {
        Ok(agreement) => agreement,
        Err(Unfinished { reason, detail }) => {
            ending::log(reason, detail.as_deref());
            connection.close(reason).await;
            return None;
        }
    };
    let identity = Arc::clone(connection.identity());
    let client = Arc::new(Client::new(connection.id().clone(), identity, protocol, connection.outbound()));
    let resumption = match reconnect {
        Reconnect::Plain => None,
        Reconnect::Stateful => Some(Box::new(Resumption::new(protocol, connection.outbound()))),
    };
    Some(Box::new(Session {
        resumption,
        membership: Membership::new(Arc::clone(&core), Arc::clone(&client)),
        calls: RunningCalls::new(Arc::clone(&core), Arc::clone(&client)),
        core,
        connection,
        client,
        waiting: None,
        full: None,
        connected: Connected::No,
        searched: 0,
        transport_ended: None,
        draining: None,
        last_ping: Instant::now(),
        client_alive: None,
    }))
}

/// A connection between its handshake and its end.
struct Session {
    core: Arc<HubCore>,
    connection: Connection,
    client: Arc<Client>,
    /// On a connection that can be resumed.
    resumption: Option<Box<Resumption>>,
    membership: Membership,
    calls: RunningCalls,
    /// A call that waits for a slot; nothing behind it is read meanwhile.
    waiting: Option<PendingCall>,
    /// An upload whose method does not keep up; nothing behind its last item is read meanwhile.
    full: Option<Arc<dyn UploadSink>>,
    connected: Connected,
    /// How much of the input is known to be an incomplete message.
    searched: usize,
    /// How the transport ended, while what came before is still being read.
    transport_ended: Option<CloseReason>,
    /// Since when the server stops: nothing new begins, and what runs may end.
    draining: Option<Instant>,
    last_ping: Instant,
    /// When the client was last heard of; its timeout is armed by its first ping.
    client_alive: Option<Instant>,
}

/// Whether `on_connected` has succeeded; until then no message is read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Connected {
    No,
    Yes,
}

impl Session {
    /// Runs until something ends the connection.
    async fn serve(&mut self) -> Ending {
        let connected = match &self.core.on_connected {
            Some(hook) => self.calls.start_on_connected(hook),
            None => Some(CallDone::Connected),
        };
        // The client reads the answer to its handshake from here on. By now it is registered, and in the groups that
        // `on_connected` puts it into without waiting for anything.
        self.client.outbound().uncork();
        if let Some(ending) = connected.and_then(|done| self.on_call_done(done)) {
            return ending;
        }
        let mut rounds = 0_u32;
        loop {
            if let Some(ending) = self.resume().or_else(|| self.read_messages()) {
                return ending;
            }
            rounds = rounds.wrapping_add(1);
            if rounds.is_multiple_of(ROUNDS_PER_TURN) {
                tokio::task::yield_now().await;
            }
            if let Some(reason) = self.transport_ended {
                // The client has left, and its last messages may wait for a call that runs. An upload that is full will
                // not get its end any more, so nobody waits for its reader.
                if !self.is_held_up() || self.full.is_some() || self.draining.is_some() {
                    return self.on_transport_ended(reason);
                }
                let done = self.calls.next().await;
                if let Some(ending) = self.on_call_done(done) {
                    return ending;
                }
                continue;
            }
            if self.is_held_up()
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

    fn is_held_up(&self) -> bool {
        self.waiting.is_some() || self.full.is_some() || self.connected == Connected::No
    }

    /// Whether more input is read: while something holds up the loop, a bounded amount.
    fn intake(&self) -> Intake {
        if self.is_held_up() && self.connection.input().len() >= HELD_INPUT { Intake::Paused } else { Intake::Open }
    }

    /// Looks whether what held up the loop is over.
    fn resume(&mut self) -> Option<Ending> {
        if self.full.as_ref().is_some_and(|upload| upload.has_room()) {
            self.full = None;
            self.go_on();
        }
        if self.draining.is_some() {
            return self.calls.is_idle().then_some(Ending::Shutdown);
        }
        let slot = self.waiting.as_ref().and_then(|_| self.calls.take_slot())?;
        let call = self.waiting.take()?;
        self.go_on();
        self.calls.start(call, Some(slot)).and_then(|done| self.on_call_done(done))
    }

    fn on_received(&mut self, received: Received) -> Option<Ending> {
        match received {
            Received::Tick => self.on_tick(Instant::now()),
            Received::Bytes if self.is_held_up() => {
                // What it said is not read yet, but it is there.
                self.hear_client();
                None
            }
            Received::Drain => {
                self.draining = Some(Instant::now());
                self.connection.spare_ticks(Duration::ZERO);
                None
            }
            Received::Reconnected => {
                if let Some(resumption) = &mut self.resumption {
                    resumption.on_reconnected();
                }
                self.searched = 0;
                self.hear_client();
                self.connection.spare_ticks(Duration::ZERO);
                None
            }
            Received::Renewed => {
                self.client.renew(Arc::clone(self.connection.identity()));
                self.core.renew_subscriptions(&self.client);
                None
            }
            Received::Expired => Some(Ending::Expired),
            Received::Aborted => Some(Ending::Aborted),
            Received::Ended(CloseReason::SlowConsumer) => Some(self.on_transport_ended(CloseReason::SlowConsumer)),
            Received::Ended(reason) => {
                self.transport_ended = Some(reason);
                self.connection.read_rest();
                self.client.ended().raise();
                None
            }
            _ => None,
        }
    }

    fn on_transport_ended(&self, reason: CloseReason) -> Ending {
        Ending::Transport { reason, unfinished: !self.connection.input().is_empty() && !self.is_held_up() }
    }

    /// Reads whole messages as long as nothing holds up the loop. What several of them are answered is written at once.
    fn read_messages(&mut self) -> Option<Ending> {
        let mut corked = false;
        let ending = self.read_each(&mut corked);
        if corked {
            self.client.outbound().uncork();
        }
        ending
    }

    fn read_each(&mut self, corked: &mut bool) -> Option<Ending> {
        while !self.is_held_up() && !self.connection.input().is_empty() {
            let (resumption, input) = (self.resumption.as_deref_mut(), self.connection.input());
            let searched = std::mem::replace(&mut self.searched, input.len());
            let (action, consumed) = inbound::next(&mut self.calls, resumption, input, searched)?;
            self.searched = 0;
            self.connection.consume(consumed);
            if let Some(resumption) = &mut self.resumption {
                resumption.on_consumed(consumed);
            }
            self.hear_client();
            if !*corked && !self.connection.input().is_empty() {
                self.client.outbound().cork();
                *corked = true;
            }
            if let Some(ending) = self.act(action) {
                return Some(ending);
            }
        }
        None
    }

    /// Starts the client's time anew when nothing holds up the loop any more, as the original does.
    fn go_on(&mut self) {
        if self.client_alive.is_some() {
            self.hear_client();
            self.connection.spare_ticks(Duration::ZERO);
        }
    }

    /// Notes that the client is there, if its silence would mean anything.
    fn hear_client(&mut self) {
        if let Some(alive) = &mut self.client_alive {
            *alive = Instant::now();
        }
    }

    fn act(&mut self, action: Action) -> Option<Ending> {
        match action {
            Action::Ping => {
                if self.client_alive.replace(Instant::now()).is_none() {
                    self.connection.spare_ticks(Duration::ZERO);
                }
            }
            Action::Ignore => {}
            Action::Answer { id, error } => self.client.complete_with_error(&id, error),
            Action::Hold(upload) => self.full = Some(upload),
            // What the client still has to say about running calls is heard, but nothing new begins.
            Action::Call(_) if self.draining.is_some() => {}
            Action::Call(call) if call.needs_slot() => {
                self.waiting = Some(call);
                return self.resume();
            }
            Action::Call(call) => return self.calls.start(call, None).and_then(|done| self.on_call_done(done)),
            Action::End(ending) => return Some(ending),
        }
        None
    }

    fn on_call_done(&mut self, done: CallDone) -> Option<Ending> {
        match done {
            CallDone::Answered | CallDone::Resumed => {}
            CallDone::Failed(error) => self.core.call_errors.count(error),
            CallDone::Connected => {
                self.connected = Connected::Yes;
                self.go_on();
            }
            CallDone::Refused(error) => return Some(Ending::Refused(error)),
            CallDone::Unserialisable(error) => return Some(Ending::Unserialisable(error)),
        }
        None
    }

    fn on_tick(&mut self, now: Instant) -> Option<Ending> {
        if self.intake() == Intake::Paused || self.connection.is_suspended() {
            // The client cannot be heard while nothing of it is read. A peer that has gone is noticed by what is written to
            // it meanwhile.
            self.hear_client();
        }
        let options = &self.core.options;
        // The original counts from its last ping, whatever else it has sent since.
        if self.connection.needs_pings() && now.duration_since(self.last_ping) > options.keep_alive_interval {
            self.last_ping = now;
            let _ = self.client.outbound().send_unretained(self.core.ping(self.client.protocol()));
        }
        if self.draining.is_some_and(|since| now.duration_since(since) >= options.shutdown_grace) {
            return Some(Ending::Shutdown);
        }
        let silent = self.client_alive.is_some_and(|alive| now.duration_since(alive) >= self.client_timeout());
        self.connection.spare_ticks(self.idle_time(now));
        silent.then_some(Ending::ClientTimeout)
    }

    fn client_timeout(&self) -> Duration {
        let patience = if self.is_held_up() { HELD_UP_PATIENCE } else { 1 };
        self.core.options.client_timeout_interval.saturating_mul(patience)
    }

    /// How long there is nothing that a tick has to look after, unless something happens.
    fn idle_time(&self, now: Instant) -> Duration {
        let options = &self.core.options;
        let due = [
            self.connection.needs_pings().then_some((self.last_ping, options.keep_alive_interval)),
            self.draining.map(|since| (since, options.shutdown_grace)),
            self.client_alive.map(|alive| (alive, self.client_timeout())),
        ];
        let left = |(since, time): (Instant, Duration)| time.saturating_sub(now.duration_since(since));
        due.into_iter().flatten().map(left).min().unwrap_or(Duration::MAX)
    }
}

#[cfg(test)]
mod tests;
