//! All connections of a server: the negotiated ones that wait for a transport, and the live ones.

pub(crate) mod connection_counts;
mod connection_table;
mod entries;
mod entry;
mod live;
pub(crate) mod live_connections;
mod queue_sums;
mod registration;
mod renewing;
pub(crate) mod revocations;
mod tickets;

use std::sync::{Arc, MutexGuard, OnceLock, Weak};
use std::time::{Duration, SystemTime};

use signalhub_counters::{Histogram, LATENCIES, Observed};
use tokio::sync::watch;
use tokio::time::Instant;

use self::entries::{Entries, NewlyActive, Ticked};
use self::entry::Entry;
pub(crate) use self::entry::{AttachError, Found, Link, NewTransport, Resumable};
use self::live::Live;
use self::live_connections::LiveConnection;
use self::queue_sums::{QueueSums, Queued};
pub(crate) use self::registration::Registration;
pub(crate) use self::tickets::{ConnectionTicket, TicketError, TicketUse};
use crate::auth::identity::{Identity, Owner, Principal};
use crate::auth::revocation::{Revocation, RevokeError};
use crate::auth::ticket::TicketHash;
use crate::close::CloseReason;
use crate::cluster::claim::ConnectionClaim;
use crate::cluster::this_node::ThisNode;
use crate::counts::client_errors::{ClientError, ClientErrorCounts};
use crate::counts::ends::EndCounts;
use crate::counts::lives::Lives;
use crate::counts::negotiations::NegotiationCounts;
use crate::counts::refusals::RefusalCounts;
use crate::counts::traffic::Traffic;
use crate::id::{ConnectionId, ConnectionNames};
use crate::limits::Limits;
use crate::limits::limit::Limit;
use crate::limits::quota::QuotaKey;
use crate::outbound::signals::{Signal, TICK};
use crate::outbound::{Backlog, QueueLimits, SendQueue};
use crate::transport::inbox::Inbox;
use crate::transport::reconnect::Reconnect;
use crate::transport_kind::TransportKind;

/// The connections that are due for a tick are woken in at most this many slices, with a pause after each, so that other
/// work is not delayed. All of them are woken within a quarter of a tick.
const SLICES: usize = 16;
const PAUSE: Duration = Duration::from_millis(15);

/// The smallest number of connections in a slice.
const SLICE: usize = 64;

/// The connections of one server, by their tokens.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    live: Arc<Live>,
    /// Whether the server stops.
    draining: watch::Sender<bool>,
    refusals: RefusalCounts,
    client_errors: ClientErrorCounts,
    backlog: Arc<Backlog>,
    traffic: Arc<Traffic>,
    negotiations: NegotiationCounts,
    queues: QueueSums,
    lag: Lag,
    /// Set once the server runs, if it is a node of a cluster.
    node: OnceLock<Arc<ThisNode>>,
}

/// How late ticks come.
#[derive(Debug)]
struct Lag(Histogram<{ LATENCIES.len() }>);

impl Default for Lag {
    fn default() -> Self {
        Self(Histogram::new(&LATENCIES))
    }
}

/// A connection that has just got its transport.
pub(crate) struct Attached<T> {
    pub(crate) id: ConnectionId,
    pub(crate) registration: Registration,
    pub(crate) reconnect: Reconnect,
    /// The value that `attach`'s caller created for the new transport.
    pub(crate) made: T,
}

impl Registry {
    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.live.lock()
    }

    /// Starts the task that ticks once a second. It ends with the registry.
    pub(crate) fn start_ticking(self: &Arc<Self>) {
        let registry = Arc::downgrade(self);
        tokio::spawn(async move {
            let mut interval = tokio::time::interval(TICK);
            interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
            loop {
                let planned = interval.tick().await;
                let now = Instant::now();
                let Some(send_queues) = Weak::upgrade(&registry).map(|registry| {
                    registry.lag.0.observe(now.saturating_duration_since(planned));
                    registry.tick(now)
                }) else {
                    return;
                };
                let queued = raise_in_slices(&send_queues, Signal::Tick).await;
                let Some(registry) = Weak::upgrade(&registry) else { return };
                registry.queues.set(queued);
            }
        });
    }

    /// Refuses credentials from now on, and closes the live connections that have them. The connections are woken in slices, and
    /// each checks its own credentials, so that neither the caller nor other work waits for it.
    pub(crate) fn revoke(&self, revocation: &Revocation, memory: Duration) -> Result<(), RevokeError> {
        self.live.revocations.insert(revocation, memory, Instant::now())?;
        // A connection that is not registered yet checks its credentials when it is.
        let concerned = self.lock().concerned_by(revocation);
        tokio::spawn(async move {
            let _ = raise_in_slices(&concerned, Signal::Revoked).await;
        });
        Ok(())
    }

    pub(crate) fn is_revoked(&self, identity: &Identity) -> bool {
        self.live.revocations.contains(identity, Instant::now())
    }

    /// Sets the limits. They must be set before the first request.
    pub(crate) fn limit(&self, limits: Limits) {
        self.backlog.set_limit(limits.queued());
        self.lock().limits = limits;
    }

    pub(crate) fn limits(&self) -> Limits {
        self.lock().limits.clone()
    }

    /// How long the body of a request may take to arrive.
    #[cfg(feature = "tower")]
    pub(crate) fn body_timeout(&self) -> Duration {
        self.lock().limits.body_time()
    }

    pub(crate) fn refusals(&self) -> &RefusalCounts {
        &self.refusals
    }

    pub(crate) fn client_errors(&self) -> &ClientErrorCounts {
        &self.client_errors
    }

    /// The bytes that are queued for slow clients.
    pub(crate) fn backlog(&self) -> &Arc<Backlog> {
        &self.backlog
    }

    /// What all connections have received and sent.
    pub(crate) fn traffic(&self) -> &Arc<Traffic> {
        &self.traffic
    }

    pub(crate) fn negotiations(&self) -> &NegotiationCounts {
        &self.negotiations
    }

    /// What is queued for all clients, as of the latest tick.
    pub(crate) fn queues(&self) -> &QueueSums {
        &self.queues
    }

    /// How late ticks come.
    pub(crate) fn lag(&self) -> Observed {
        self.lag.0.observed()
    }

    pub(crate) fn lives(&self) -> &Lives {
        &self.live.lives
    }

    /// How many connections have ended, by reason.
    pub(crate) fn ends(&self) -> &EndCounts {
        &self.live.ends
    }

    /// Removes negotiations that have expired, ends connections whose clients have not reconnected in time, and returns the
    /// connections that are due for a tick.
    fn tick(&self, now: Instant) -> Vec<Weak<SendQueue>> {
        self.traffic.set_clock(now);
        let Ticked { due, given_up, expired, expired_tickets } = self.lock().tick(now);
        if expired > 0 {
            let reason = ClientError::NegotiationExpired;
            self.client_errors.count(reason, expired);
            tracing::debug!(reason = reason.label(), count = expired, "clients negotiated and did not connect");
        }
        if expired_tickets > 0 {
            let reason = ClientError::TicketExpired;
            self.client_errors.count(reason, expired_tickets);
            tracing::debug!(
                reason = reason.label(),
                count = expired_tickets,
                "clients got tickets and did not use them"
            );
        }
        // Tasks are woken after the lock is released, because they may need it first.
        given_up.iter().for_each(|send_queue| send_queue.end(CloseReason::ClientGone));
        due
    }

    /// Adds a ticket for a client of this identity. For the given time it may negotiate.
    pub(crate) fn issue_ticket(
        &self,
        ticket: TicketHash,
        identity: &Arc<Identity>,
        lifetime: Duration,
        key: &QuotaKey,
    ) -> Result<(), Limit> {
        self.lock().issue_ticket(ticket, identity, lifetime, key)
    }

    /// Finds the identity of a ticket that admits a request at an endpoint.
    pub(crate) fn identity_of_ticket(
        &self,
        ticket: TicketHash,
        wanted: TicketUse<'_>,
        endpoint: usize,
    ) -> Result<Arc<Identity>, TicketError> {
        let identity = Arc::clone(self.lock().identity_of_ticket(ticket, wanted, endpoint)?);
        match identity.expires {
            Some(expires) if expires <= SystemTime::now() => Err(TicketError::Expired),
            _ => Ok(identity),
        }
    }

    /// Adds a connection that waits for its transport. If a ticket negotiates it, the ticket opens no other connection.
    pub(crate) fn negotiate(
        &self,
        names: ConnectionNames,
        reconnect: Reconnect,
        key: &QuotaKey,
        ticket: Option<TicketHash>,
    ) -> Result<(), AttachError> {
        self.lock().negotiate(names, reconnect, key, ticket)
    }

    /// Makes the server a node of a cluster, before the first request, and starts the task that renews claims.
    pub(crate) fn join(self: &Arc<Self>, node: ThisNode) {
        let node = Arc::clone(self.node.get_or_init(|| Arc::new(node)));
        renewing::start(self, node);
    }

    /// The node of a cluster that the server is.
    pub(crate) fn node(&self) -> Option<&Arc<ThisNode>> {
        self.node.get()
    }

    /// How long a negotiated connection may wait for its transport.
    pub(crate) fn negotiation_lifetime(&self) -> Duration {
        self.lock().limits.lifetime()
    }

    /// Checks whether a connection could be opened now, for a negotiation that is not remembered.
    pub(crate) fn may_negotiate(&self, key: &QuotaKey) -> Result<(), AttachError> {
        self.lock().may_negotiate(key)
    }

    /// Adds a connection that another node or this one has negotiated, and that this node has claimed. It waits for its
    /// transport, which must follow at once. If it is there already, nothing changes.
    pub(crate) fn adopt(
        &self,
        names: ConnectionNames,
        reconnect: Reconnect,
        key: &QuotaKey,
        ticket: Option<ConnectionTicket>,
        claim: impl FnOnce() -> Option<ConnectionClaim>,
    ) -> Result<(), AttachError> {
        self.lock().adopt(names, reconnect, key, ticket, claim)
    }

    /// Removes a connection that has not got a transport. So it can be opened at another node.
    pub(crate) fn abandon(&self, token: &str) {
        self.lock().abandon(token);
    }

    /// Lists the wanted ones of the live connections at some [places](Entries::live); `None` if there are no such places.
    fn live(&self, places: (usize, usize), is_wanted: impl Fn(&Entry, &Link) -> bool) -> Option<Vec<LiveConnection>> {
        let mut live = Vec::with_capacity(places.1);
        self.lock().live(places, is_wanted, &mut live).then_some(live)
    }

    /// Finds the live connection with this public id.
    fn live_by_id(&self, id: &ConnectionId) -> Option<LiveConnection> {
        self.lock().live_by_id(id)
    }

    /// Looks up the connection of a token. Returns `None` if it has another owner.
    pub(crate) fn find(&self, token: &str, owner: &Owner) -> Option<Found> {
        self.lock().find(token, owner)
    }

    /// Finds the connection of a token, which may have any owner, to give it new credentials. Returns `None` if it has no transport
    /// yet, is about to end, belongs to another endpoint, or was negotiated in version 0.
    pub(crate) fn renewable(&self, token: &str, endpoint: usize) -> Option<(Arc<SendQueue>, Principal)> {
        self.lock().renewable(token, endpoint)
    }

    /// Finds the inbox for posted bytes. Returns `None` if the token is unknown or has another owner, and an error if the
    /// connection has a WebSocket.
    pub(crate) fn inbox(
        &self,
        token: &str,
        owner: &Owner,
        limits: QueueLimits,
    ) -> Option<Result<Arc<Inbox>, AttachError>> {
        self.lock().inbox(token, owner, limits, (&self.backlog, &self.traffic))
    }

    /// Attaches a transport to a negotiated connection. `make` makes it from the inbox with the bytes that were posted
    /// before, if there is one, and from what was negotiated about reconnecting.
    pub(crate) fn attach<T>(
        &self,
        token: &str,
        kind: TransportKind,
        key: &QuotaKey,
        make: impl FnOnce(Option<Arc<Inbox>>, Reconnect) -> NewTransport<T>,
    ) -> Result<Attached<T>, AttachError> {
        let attached = self.lock().attach(token, kind, key, make)?;
        Ok(self.register(attached))
    }

    /// Adds a connection whose WebSocket was opened without a negotiation.
    pub(crate) fn admit(
        &self,
        send_queue: &Arc<SendQueue>,
        key: &QuotaKey,
        ticket: Option<TicketHash>,
    ) -> Result<Attached<()>, AttachError> {
        let attached = self.lock().admit(send_queue, key, ticket)?;
        Ok(self.register(attached))
    }

    fn register<T>(&self, active: NewlyActive<T>) -> Attached<T> {
        let NewlyActive { token, id, link, share, reconnect, ticket, made } = active;
        self.live.lives.begin(link.kind());
        let (live, since) = (Arc::clone(&self.live), Instant::now());
        let registration = Registration { live, token: Some(token), link, share, ticket, since };
        Attached { id, registration, reconnect, made }
    }

    /// Finds the connection that a new WebSocket resumes. Returns `None` if the connection of the token cannot be resumed
    /// or has another owner.
    pub(crate) fn resume(&self, token: &str, key: &QuotaKey) -> Option<Result<Resumable, AttachError>> {
        self.lock().resume(token, key)
    }

    /// Removes a connection, because its client has ended it or has fetched its last messages.
    pub(crate) fn remove(&self, token: &str) {
        self.lock().remove(token);
    }

    /// Counts the connections that have a transport.
    pub(crate) fn active(&self) -> usize {
        self.lock().active
    }

    /// Counts the negotiated connections that wait for one.
    pub(crate) fn waiting(&self) -> usize {
        self.lock().waiting
    }

    /// Counts the connections that wait for another transport.
    pub(crate) fn suspended(&self) -> usize {
        self.lock().suspended
    }

    /// Counts the takeovers by new transports so far.
    pub(crate) fn resumed(&self) -> u64 {
        self.lock().resumed
    }

    /// Counts the connections that ended so far while they waited for another transport.
    pub(crate) fn given_up(&self) -> u64 {
        self.lock().given_up
    }

    /// Refuses new connections, and signals the live ones to end, spread evenly over the given time.
    pub(crate) async fn drain(&self, time: Duration) {
        let send_queues = self.lock().drain();
        self.draining.send_replace(true);
        let (start, count) = (Instant::now(), send_queues.len());
        for (number, send_queue) in send_queues.into_iter().enumerate() {
            if !time.is_zero() {
                tokio::time::sleep_until(start + time.mul_f64(number as f64 / count as f64)).await;
            }
            if let Some(send_queue) = send_queue.upgrade() {
                send_queue.signals.raise(Signal::Drain);
            }
        }
    }

    /// Drains and waits until no connection is live, for the given time and then a little longer; `false` when some
    /// still are.
    pub(crate) async fn drain_and_empty(&self, time: Duration, grace: Duration) -> bool {
        let ended = async {
            let drained = std::pin::pin!(self.drain(time));
            let emptied = std::pin::pin!(self.emptied());
            // Once the first poll of the drain has refused new connections, an empty server need not wait for its end.
            futures_util::future::select(drained, emptied).await;
            self.emptied().await;
        };
        tokio::time::timeout(time.saturating_add(grace), ended).await.is_ok()
    }

    pub(crate) fn is_draining(&self) -> bool {
        *self.draining.borrow()
    }

    /// Waits until the server stops.
    pub(crate) async fn draining(&self) {
        // The sender is a field of the registry, so it still exists.
        let _ = self.draining.subscribe().wait_for(|draining| *draining).await;
    }

    /// Waits until no connection is live.
    pub(crate) async fn emptied(&self) {
        loop {
            let emptied = self.live.emptied.notified();
            if self.active() == 0 {
                return;
            }
            emptied.await;
        }
    }
}

/// Wakes connections in slices, with a pause after each. Returns what is queued for them.
async fn raise_in_slices(send_queues: &[Weak<SendQueue>], signal: Signal) -> Queued {
    let mut queued = Queued::default();
    let mut slices = send_queues.chunks(send_queues.len().div_ceil(SLICES).max(SLICE)).peekable();
    while let Some(slice) = slices.next() {
        let send_queues = slice.iter().filter_map(Weak::upgrade);
        send_queues.for_each(|send_queue| {
            queued.add(&send_queue);
            send_queue.signals.raise(signal);
        });
        if slices.peek().is_some() {
            tokio::time::sleep(PAUSE).await;
        }
    }
    queued
}

#[cfg(test)]
mod tests;
