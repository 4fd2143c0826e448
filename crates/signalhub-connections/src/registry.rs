//! All connections of a server: the negotiated ones that wait for a transport, and the live ones.

mod entry;
mod registration;
mod resuming;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::Instant;

pub(crate) use self::entry::Link;
use self::entry::{Entry, Stage, Waiting};
pub(crate) use self::registration::Registration;
pub(crate) use self::resuming::Resumable;
use self::resuming::Returns;
use crate::auth::identity::Owner;
use crate::close::EndCounts;
use crate::counts::client_errors::ClientErrorCounts;
use crate::counts::refusals::RefusalCounts;
use crate::id::ConnectionToken;
use crate::limits::{Limit, Limits, QuotaKey, QuotaShare, Quotas};
use crate::outbound::signals::{Signal, TICK};
use crate::outbound::{Backlog, QueueLimits, SendQueue};
use crate::transport::inbox::Inbox;
use crate::{ClientError, CloseReason, ConnectionId, Reconnect, TransportKind};

/// Many connections are woken in so many slices at most, with a pause behind each, so that whoever comes meanwhile does not
/// wait for all of them. All have their turn within a quarter of a tick.
const SLICES: usize = 16;
const PAUSE: Duration = Duration::from_millis(15);

/// A slice has at least so many connections.
const SLICE: usize = 64;

/// Knows every connection of one server by its token.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    entries: Mutex<Entries>,
    /// Woken whenever the last live connection has gone.
    emptied: Notify,
    /// Whether the server stops.
    draining: watch::Sender<bool>,
    refusals: RefusalCounts,
    client_errors: ClientErrorCounts,
    ends: EndCounts,
    backlog: Arc<Backlog>,
}

#[derive(Debug, Default)]
struct Entries {
    by_token: HashMap<ConnectionToken, Entry>,
    /// Connections whose handlers run or whose sockets are not closed yet.
    active: usize,
    /// Those of them that have lost their transport.
    suspended: usize,
    /// Negotiated connections without transport.
    waiting: usize,
    returns: Returns,
    /// Who has how many of the waiting ones, and of all.
    waiting_quotas: Quotas,
    quotas: Quotas,
    limits: Limits,
    draining: bool,
}

/// What is behind a token.
#[derive(Clone, Debug)]
pub(crate) enum Found {
    Waiting,
    Attached(Link),
}

/// Why a transport could not be attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AttachError {
    Unknown,
    OtherTransport,
    AlreadyAttached,
    Refused(Limit),
}

/// A connection that has just got its transport.
pub(crate) struct Attached<T> {
    pub(crate) id: ConnectionId,
    pub(crate) registration: Registration,
    pub(crate) reconnect: Reconnect,
    /// What was made for it.
    pub(crate) made: T,
}

impl Registry {
    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts the one tick a second; it ends with the registry.
    pub(crate) fn start_ticking(self: &Arc<Self>) {
        let registry = Arc::downgrade(self);
        tokio::spawn(async move {
            let mut interval = tokio::time::interval(TICK);
            interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
            loop {
                interval.tick().await;
                let Some(send_queues) = Weak::upgrade(&registry).map(|registry| registry.tick(Instant::now())) else {
                    return;
                };
                let mut slices = send_queues.chunks(send_queues.len().div_ceil(SLICES).max(SLICE)).peekable();
                while let Some(slice) = slices.next() {
                    let send_queues = slice.iter().filter_map(Weak::upgrade);
                    send_queues.for_each(|send_queue| send_queue.signals.raise(Signal::Tick));
                    if slices.peek().is_some() {
                        tokio::time::sleep(PAUSE).await;
                    }
                }
            }
        });
    }

    /// Sets what it takes on; before it takes on anything.
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

    /// What is queued for the clients that are behind.
    pub(crate) fn backlog(&self) -> &Arc<Backlog> {
        &self.backlog
    }

    /// The live connections that have ended.
    pub(crate) fn ends(&self) -> &EndCounts {
        &self.ends
    }

    /// Lets go what has waited for too long, and gives the connections that are to be woken.
    fn tick(&self, now: Instant) -> Vec<Weak<SendQueue>> {
        let (mut send_queues, mut given_up, mut unused) = (Vec::new(), Vec::new(), 0);
        {
            let mut entries = self.lock();
            let lifetime = entries.limits.lifetime();
            entries.retain(|stage| match stage {
                Stage::Waiting(waiting) => {
                    let waits = now.duration_since(waiting.since) <= lifetime;
                    unused += u64::from(!waits);
                    waits
                }
                Stage::Active(link) => {
                    if link.send_queue().signals.is_due() {
                        send_queues.push(Arc::downgrade(link.send_queue()));
                    }
                    match link {
                        Link::Polls(polls) if polls.is_deserted(now) => {
                            polls.end(CloseReason::ClientGone);
                            !polls.is_finished()
                        }
                        _ => true,
                    }
                }
                Stage::Suspended { link, since } => {
                    if link.send_queue().signals.is_due() {
                        send_queues.push(Arc::downgrade(link.send_queue()));
                    }
                    if link
                        .disconnect_timeout()
                        .is_some_and(|disconnect_timeout| now.duration_since(*since) > disconnect_timeout)
                    {
                        given_up.push(Arc::clone(link.send_queue()));
                    }
                    true
                }
            });
        }
        if unused > 0 {
            let reason = ClientError::NegotiationExpired;
            self.client_errors.count(reason, unused);
            tracing::debug!(reason = reason.label(), count = unused, "clients negotiated and did not connect");
        }
        // Tasks are woken when the lock is free, because what they do first may need it.
        given_up.iter().for_each(|send_queue| send_queue.end(CloseReason::ClientGone));
        send_queues
    }

    /// Adds a connection that waits for its transport.
    pub(crate) fn negotiate(
        &self,
        (token, id): (ConnectionToken, ConnectionId),
        reconnect: Reconnect,
        quota_key: &QuotaKey,
    ) -> Result<(), Limit> {
        let mut entries = self.lock();
        entries.allow()?;
        entries.limits.allow_negotiation(entries.waiting)?;
        let negotiation_limits = entries.limits.negotiation_quota_limits();
        let waiting = entries.waiting_quotas.take(quota_key, negotiation_limits).map_err(Limit::of_negotiations)?;
        let share = match entries.take_quota(quota_key) {
            Ok(share) => share,
            Err(limit) => {
                entries.waiting_quotas.release(waiting);
                return Err(limit);
            }
        };
        entries.waiting += 1;
        let waiting = Waiting { since: Instant::now(), inbox: None, reconnect, share: waiting };
        let entry = Entry { id, owner: quota_key.owner.clone(), stage: Stage::Waiting(waiting), share };
        entries.by_token.insert(token, entry);
        Ok(())
    }

    /// Looks a token up. For anybody but the owner of its connection it is unknown.
    pub(crate) fn find(&self, token: &str, owner: &Owner) -> Option<Found> {
        let entries = self.lock();
        let entry = entries.by_token.get(token).filter(|entry| entry.owner == *owner)?;
        Some(match &entry.stage {
            Stage::Waiting(_) => Found::Waiting,
            Stage::Active(link) | Stage::Suspended { link, .. } => Found::Attached(link.clone()),
        })
    }

    /// Finds where posted bytes go. `None` is a token that is unknown or somebody else's, an error a WebSocket.
    pub(crate) fn inbox(
        &self,
        token: &str,
        owner: &Owner,
        limits: QueueLimits,
    ) -> Option<Result<Arc<Inbox>, AttachError>> {
        let mut entries = self.lock();
        Some(match &mut entries.entry_of(token, owner)?.stage {
            Stage::Waiting(Waiting { inbox, .. }) => {
                Ok(Arc::clone(inbox.get_or_insert_with(|| Inbox::early(limits, &self.backlog))))
            }
            Stage::Active(Link::Events(inbox)) => Ok(Arc::clone(inbox)),
            Stage::Active(Link::Polls(polls)) => Ok(Arc::clone(polls.inbox())),
            Stage::Active(Link::WebSocket { .. }) | Stage::Suspended { .. } => Err(AttachError::OtherTransport),
        })
    }

    /// Attaches a transport to a negotiated connection. `make` gets the inbox of what was posted before, and what was
    /// negotiated about reconnecting.
    pub(crate) fn attach<T>(
        self: &Arc<Self>,
        token: &str,
        kind: TransportKind,
        quota_key: &QuotaKey,
        make: impl FnOnce(Option<Arc<Inbox>>, Reconnect) -> (Link, T),
    ) -> Result<Attached<T>, AttachError> {
        let mut entries = self.lock();
        let Entries { by_token, quotas, waiting_quotas, limits, draining, active, waiting, .. } = &mut *entries;
        let (token, _) = by_token.get_key_value(token).ok_or(AttachError::Unknown)?;
        let token = token.clone();
        let entry =
            by_token.get_mut(&token).filter(|entry| entry.owner == quota_key.owner).ok_or(AttachError::Unknown)?;
        let (inbox, reconnect) = match &mut entry.stage {
            Stage::Waiting(waiting) => {
                allow(*draining, limits, *active)?;
                quotas.retake(&mut entry.share, quota_key, limits.quota_limits()).map_err(Limit::of_connections)?;
                waiting_quotas.release(std::mem::take(&mut waiting.share));
                (waiting.inbox.take(), waiting.reconnect)
            }
            Stage::Active(bound) | Stage::Suspended { link: bound, .. } if bound.kind() == kind => {
                return Err(AttachError::AlreadyAttached);
            }
            Stage::Active(_) | Stage::Suspended { .. } => return Err(AttachError::OtherTransport),
        };
        let (link, made) = make(inbox, reconnect);
        // What the next transport may have to take over stays in the entry.
        let share = match link {
            Link::WebSocket { handover: Some(_), .. } => QuotaShare::default(),
            _ => std::mem::take(&mut entry.share),
        };
        entry.stage = Stage::Active(link.clone());
        (*waiting, *active) = (*waiting - 1, *active + 1);
        let registration = Registration { registry: Arc::clone(self), token: Some(token), link, share };
        Ok(Attached { id: entry.id.clone(), registration, reconnect, made })
    }

    /// Adds a WebSocket that comes without negotiation. Nobody is told its token, because there is nothing to ask for with it.
    pub(crate) fn admit(
        self: &Arc<Self>,
        send_queue: &Arc<SendQueue>,
        quota_key: &QuotaKey,
    ) -> Result<Attached<()>, AttachError> {
        let (id, token) = (ConnectionId::random(), ConnectionToken::random());
        let link = Link::WebSocket { send_queue: Arc::clone(send_queue), handover: None };
        let mut entries = self.lock();
        entries.allow()?;
        let share = entries.take_quota(quota_key)?;
        let (owner, stage) = (quota_key.owner.clone(), Stage::Active(link.clone()));
        let entry = Entry { id: id.clone(), owner, stage, share: QuotaShare::default() };
        entries.by_token.insert(token.clone(), entry);
        entries.active += 1;
        let registration = Registration { registry: Arc::clone(self), token: Some(token), link, share };
        Ok(Attached { id, registration, reconnect: Reconnect::Plain, made: () })
    }

    /// Forgets a connection: its client said goodbye, or took the last of it.
    pub(crate) fn remove(&self, token: &str) {
        self.lock().by_token.remove(token);
    }

    /// Counts the connections that have a transport.
    pub(crate) fn active(&self) -> usize {
        self.lock().active
    }

    /// Counts the negotiated connections that wait for one.
    pub(crate) fn waiting(&self) -> usize {
        self.lock().waiting
    }

    /// Takes no new connections, and tells the live ones to say goodbye, one after another over the given time.
    pub(crate) async fn drain(&self, time: Duration) {
        let mut send_queues = Vec::new();
        {
            let mut entries = self.lock();
            entries.draining = true;
            entries.retain(|stage| match stage {
                Stage::Waiting(_) => false,
                Stage::Active(link) | Stage::Suspended { link, .. } => {
                    send_queues.push(Arc::downgrade(link.send_queue()));
                    true
                }
            });
        }
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
        // The sender is here, so it cannot have gone.
        let _ = self.draining.subscribe().wait_for(|draining| *draining).await;
    }

    /// Waits until no connection is live.
    pub(crate) async fn emptied(&self) {
        loop {
            let emptied = self.emptied.notified();
            if self.active() == 0 {
                return;
            }
            emptied.await;
        }
    }
}

impl Entries {
    /// Removes what is not to be kept; a connection that never got its transport gives back all it held.
    fn retain(&mut self, mut keep: impl FnMut(&Stage) -> bool) {
        let Self { by_token, quotas, waiting_quotas, waiting: count, .. } = self;
        by_token.retain(|_, entry| {
            let kept = keep(&entry.stage);
            if !kept && let Stage::Waiting(waiting) = &mut entry.stage {
                *count -= 1;
                quotas.release(std::mem::take(&mut entry.share));
                waiting_quotas.release(std::mem::take(&mut waiting.share));
                // Requests that still bring bytes for it are let go.
                waiting.inbox.iter().for_each(|inbox| inbox.abandon());
            }
            kept
        });
    }

    fn allow(&self) -> Result<(), Limit> {
        allow(self.draining, &self.limits, self.active)
    }

    fn take_quota(&mut self, quota_key: &QuotaKey) -> Result<QuotaShare, Limit> {
        self.quotas.take(quota_key, self.limits.quota_limits()).map_err(Limit::of_connections)
    }

    fn entry_of(&mut self, token: &str, owner: &Owner) -> Option<&mut Entry> {
        self.by_token.get_mut(token).filter(|entry| entry.owner == *owner)
    }
}

fn allow(draining: bool, limits: &Limits, active: usize) -> Result<(), Limit> {
    if draining { Err(Limit::Draining) } else { limits.allow_connection(active) }
}

impl From<Limit> for AttachError {
    fn from(limit: Limit) -> Self {
        Self::Refused(limit)
    }
}

#[cfg(test)]
mod tests;
