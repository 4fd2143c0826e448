//! All connections of a server: the negotiated ones that wait for a transport, and the live ones.

mod registration;
mod resuming;
mod slot;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::Instant;

pub(crate) use self::registration::Seat;
pub(crate) use self::resuming::Resumable;
use self::resuming::Returns;
pub(crate) use self::slot::Link;
use self::slot::{Slot, Stage, Waiting};
use crate::auth::identity::Owner;
use crate::close::EndCounts;
use crate::counts::client_errors::ClientErrorCounts;
use crate::counts::refusals::RefusalCounts;
use crate::id::ConnectionToken;
use crate::limits::{Charge, Limit, Limits, Party, Tally};
use crate::outbound::signals::{Signal, TICK};
use crate::outbound::{Backlog, Lane, QueueLimits};
use crate::transport::inbox::Mailbox;
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
    slots: Mutex<Slots>,
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
struct Slots {
    by_token: HashMap<ConnectionToken, Slot>,
    /// Connections whose handlers run or whose sockets are not closed yet.
    active: usize,
    /// Those of them that have lost their transport.
    suspended: usize,
    /// Negotiated connections without transport.
    waiting: usize,
    returns: Returns,
    /// Who has how many of the waiting ones, and of all.
    waiting_by_party: Tally,
    by_party: Tally,
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
    pub(crate) seat: Seat,
    pub(crate) reconnect: Reconnect,
    /// What was made for it.
    pub(crate) made: T,
}

impl Registry {
    fn lock(&self) -> MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts the one tick a second; it ends with the registry.
    pub(crate) fn start_ticking(self: &Arc<Self>) {
        let registry = Arc::downgrade(self);
        tokio::spawn(async move {
            let mut interval = tokio::time::interval(TICK);
            interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
            loop {
                interval.tick().await;
                let Some(lanes) = Weak::upgrade(&registry).map(|registry| registry.tick(Instant::now())) else {
                    return;
                };
                let mut slices = lanes.chunks(lanes.len().div_ceil(SLICES).max(SLICE)).peekable();
                while let Some(slice) = slices.next() {
                    let lanes = slice.iter().filter_map(Weak::upgrade);
                    lanes.for_each(|lane| lane.signals.raise(Signal::Tick));
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
    fn tick(&self, now: Instant) -> Vec<Weak<Lane>> {
        let (mut lanes, mut given_up, mut unused) = (Vec::new(), Vec::new(), 0);
        {
            let mut slots = self.lock();
            let lifetime = slots.limits.lifetime();
            slots.retain(|stage| match stage {
                Stage::Waiting(waiting) => {
                    let waits = now.duration_since(waiting.since) <= lifetime;
                    unused += u64::from(!waits);
                    waits
                }
                Stage::Active(link) => {
                    if link.lane().signals.is_due() {
                        lanes.push(Arc::downgrade(link.lane()));
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
                    if link.lane().signals.is_due() {
                        lanes.push(Arc::downgrade(link.lane()));
                    }
                    if link.patience().is_some_and(|patience| now.duration_since(*since) > patience) {
                        given_up.push(Arc::clone(link.lane()));
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
        given_up.iter().for_each(|lane| lane.end(CloseReason::ClientGone));
        lanes
    }

    /// Adds a connection that waits for its transport.
    pub(crate) fn negotiate(
        &self,
        (token, id): (ConnectionToken, ConnectionId),
        reconnect: Reconnect,
        party: &Party,
    ) -> Result<(), Limit> {
        let mut slots = self.lock();
        slots.allow()?;
        slots.limits.allow_negotiation(slots.waiting)?;
        let shares = slots.limits.shares_of_negotiations();
        let waiting = slots.waiting_by_party.charge(party, shares).map_err(Limit::of_negotiations)?;
        let charge = match slots.charge(party) {
            Ok(charge) => charge,
            Err(limit) => {
                slots.waiting_by_party.release(waiting);
                return Err(limit);
            }
        };
        slots.waiting += 1;
        let waiting = Waiting { since: Instant::now(), mailbox: None, reconnect, charge: waiting };
        let slot = Slot { id, owner: party.owner.clone(), stage: Stage::Waiting(waiting), charge };
        slots.by_token.insert(token, slot);
        Ok(())
    }

    /// Looks a token up. For anybody but the owner of its connection it is unknown.
    pub(crate) fn find(&self, token: &str, owner: &Owner) -> Option<Found> {
        let slots = self.lock();
        let slot = slots.by_token.get(token).filter(|slot| slot.owner == *owner)?;
        Some(match &slot.stage {
            Stage::Waiting(_) => Found::Waiting,
            Stage::Active(link) | Stage::Suspended { link, .. } => Found::Attached(link.clone()),
        })
    }

    /// Finds where posted bytes go. `None` is a token that is unknown or somebody else's, an error a WebSocket.
    pub(crate) fn mailbox(
        &self,
        token: &str,
        owner: &Owner,
        limits: QueueLimits,
    ) -> Option<Result<Arc<Mailbox>, AttachError>> {
        let mut slots = self.lock();
        Some(match &mut slots.slot_of(token, owner)?.stage {
            Stage::Waiting(Waiting { mailbox, .. }) => {
                Ok(Arc::clone(mailbox.get_or_insert_with(|| Mailbox::early(limits, &self.backlog))))
            }
            Stage::Active(Link::Events(mailbox)) => Ok(Arc::clone(mailbox)),
            Stage::Active(Link::Polls(polls)) => Ok(Arc::clone(polls.mailbox())),
            Stage::Active(Link::WebSocket { .. }) | Stage::Suspended { .. } => Err(AttachError::OtherTransport),
        })
    }

    /// Attaches a transport to a negotiated connection. `make` gets the mailbox of what was posted before, and what was
    /// negotiated about reconnecting.
    pub(crate) fn attach<T>(
        self: &Arc<Self>,
        token: &str,
        kind: TransportKind,
        party: &Party,
        make: impl FnOnce(Option<Arc<Mailbox>>, Reconnect) -> (Link, T),
    ) -> Result<Attached<T>, AttachError> {
        let mut slots = self.lock();
        let Slots { by_token, by_party, waiting_by_party, limits, draining, active, waiting, .. } = &mut *slots;
        let (token, _) = by_token.get_key_value(token).ok_or(AttachError::Unknown)?;
        let token = token.clone();
        let slot = by_token.get_mut(&token).filter(|slot| slot.owner == party.owner).ok_or(AttachError::Unknown)?;
        let (mailbox, reconnect) = match &mut slot.stage {
            Stage::Waiting(waiting) => {
                allow(*draining, limits, *active)?;
                by_party.recharge(&mut slot.charge, party, limits.shares()).map_err(Limit::of_connections)?;
                waiting_by_party.release(std::mem::take(&mut waiting.charge));
                (waiting.mailbox.take(), waiting.reconnect)
            }
            Stage::Active(bound) | Stage::Suspended { link: bound, .. } if bound.kind() == kind => {
                return Err(AttachError::AlreadyAttached);
            }
            Stage::Active(_) | Stage::Suspended { .. } => return Err(AttachError::OtherTransport),
        };
        let (link, made) = make(mailbox, reconnect);
        // What the next transport may have to take over stays in the slot.
        let charge = match link {
            Link::WebSocket { handover: Some(_), .. } => Charge::default(),
            _ => std::mem::take(&mut slot.charge),
        };
        slot.stage = Stage::Active(link.clone());
        (*waiting, *active) = (*waiting - 1, *active + 1);
        let seat = Seat { registry: Arc::clone(self), token: Some(token), link, charge };
        Ok(Attached { id: slot.id.clone(), seat, reconnect, made })
    }

    /// Adds a WebSocket that comes without negotiation. Nobody is told its token, because there is nothing to ask for with it.
    pub(crate) fn admit(self: &Arc<Self>, lane: &Arc<Lane>, party: &Party) -> Result<Attached<()>, AttachError> {
        let (id, token) = (ConnectionId::random(), ConnectionToken::random());
        let link = Link::WebSocket { lane: Arc::clone(lane), handover: None };
        let mut slots = self.lock();
        slots.allow()?;
        let charge = slots.charge(party)?;
        let (owner, stage) = (party.owner.clone(), Stage::Active(link.clone()));
        let slot = Slot { id: id.clone(), owner, stage, charge: Charge::default() };
        slots.by_token.insert(token.clone(), slot);
        slots.active += 1;
        let seat = Seat { registry: Arc::clone(self), token: Some(token), link, charge };
        Ok(Attached { id, seat, reconnect: Reconnect::Plain, made: () })
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
        let mut lanes = Vec::new();
        {
            let mut slots = self.lock();
            slots.draining = true;
            slots.retain(|stage| match stage {
                Stage::Waiting(_) => false,
                Stage::Active(link) | Stage::Suspended { link, .. } => {
                    lanes.push(Arc::downgrade(link.lane()));
                    true
                }
            });
        }
        self.draining.send_replace(true);
        let (start, count) = (Instant::now(), lanes.len());
        for (number, lane) in lanes.into_iter().enumerate() {
            if !time.is_zero() {
                tokio::time::sleep_until(start + time.mul_f64(number as f64 / count as f64)).await;
            }
            if let Some(lane) = lane.upgrade() {
                lane.signals.raise(Signal::Drain);
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

impl Slots {
    /// Removes what is not to be kept; a connection that never got its transport gives back all it held.
    fn retain(&mut self, mut keep: impl FnMut(&Stage) -> bool) {
        let Self { by_token, by_party, waiting_by_party, waiting: count, .. } = self;
        by_token.retain(|_, slot| {
            let kept = keep(&slot.stage);
            if !kept && let Stage::Waiting(waiting) = &mut slot.stage {
                *count -= 1;
                by_party.release(std::mem::take(&mut slot.charge));
                waiting_by_party.release(std::mem::take(&mut waiting.charge));
                // Requests that still bring bytes for it are let go.
                waiting.mailbox.iter().for_each(|mailbox| mailbox.abandon());
            }
            kept
        });
    }

    fn allow(&self) -> Result<(), Limit> {
        allow(self.draining, &self.limits, self.active)
    }

    fn charge(&mut self, party: &Party) -> Result<Charge, Limit> {
        self.by_party.charge(party, self.limits.shares()).map_err(Limit::of_connections)
    }

    fn slot_of(&mut self, token: &str, owner: &Owner) -> Option<&mut Slot> {
        self.by_token.get_mut(token).filter(|slot| slot.owner == *owner)
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
