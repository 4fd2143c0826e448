//! All connections of a server: the negotiated ones that wait for a transport, and the live ones.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::id::ConnectionToken;
use crate::mailbox::Mailbox;
use crate::outbound::{Lane, Outlet, QueueLimits};
use crate::polls::Polls;
use crate::signals::Signal;
use crate::{CloseReason, ConnectionId, TransportKind};

/// How long a connection may be without transport or poll (the original's `DisconnectTimeout`).
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(15);

/// The original looks at all connections once a second; timers of connections are as fine as that.
const TICK: Duration = Duration::from_secs(1);

/// Knows every connection of one server by its token.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    slots: Mutex<Slots>,
    /// Woken whenever the last live connection has gone.
    emptied: Notify,
}

#[derive(Debug, Default)]
struct Slots {
    by_token: HashMap<ConnectionToken, Slot>,
    /// Connections whose handlers run or whose sockets are not closed yet.
    active: usize,
    draining: bool,
}

#[derive(Debug)]
struct Slot {
    id: ConnectionId,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// Negotiated; bytes may have been posted already.
    Waiting { since: Instant, mailbox: Option<Arc<Mailbox>> },
    /// Attached to its transport.
    Active { lane: Arc<Lane>, link: Link },
}

/// How a connection is attached.
#[derive(Clone, Debug)]
pub(crate) enum Link {
    WebSocket,
    Events(Arc<Mailbox>),
    Polls(Arc<Polls>),
}

impl Link {
    fn kind(&self) -> TransportKind {
        match self {
            Self::WebSocket => TransportKind::WebSockets,
            Self::Events(_) => TransportKind::ServerSentEvents,
            Self::Polls(_) => TransportKind::LongPolling,
        }
    }
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
    Draining,
}

/// A connection that has just got its transport.
pub(crate) struct Attached {
    pub(crate) id: ConnectionId,
    pub(crate) seat: Seat,
    /// What was posted before.
    pub(crate) early: Vec<u8>,
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
                let Some(registry) = Weak::upgrade(&registry) else { return };
                registry.tick(Instant::now());
            }
        });
    }

    fn tick(&self, now: Instant) {
        let mut lanes = Vec::new();
        self.lock().by_token.retain(|_, slot| match &slot.stage {
            Stage::Waiting { since, .. } => now.duration_since(*since) <= DISCONNECT_TIMEOUT,
            Stage::Active { lane, link } => {
                lanes.push(Arc::clone(lane));
                match link {
                    Link::Polls(polls) if polls.absent_for(now) > DISCONNECT_TIMEOUT => {
                        polls.end(CloseReason::ClientGone);
                        !polls.is_finished()
                    }
                    _ => true,
                }
            }
        });
        // Tasks are woken when the lock is free, because what they do first may need it.
        lanes.iter().for_each(|lane| lane.signals.raise(Signal::Tick));
    }

    /// Adds a connection that waits for its transport.
    pub(crate) fn negotiate(&self, token: ConnectionToken, id: ConnectionId) {
        let slot = Slot { id, stage: Stage::Waiting { since: Instant::now(), mailbox: None } };
        self.lock().by_token.insert(token, slot);
    }

    /// Looks a token up.
    pub(crate) fn find(&self, token: &str) -> Option<Found> {
        self.lock().by_token.get(token).map(|slot| match &slot.stage {
            Stage::Waiting { .. } => Found::Waiting,
            Stage::Active { link, .. } => Found::Attached(link.clone()),
        })
    }

    /// Finds where posted bytes go. `None` is an unknown token, an error a WebSocket.
    pub(crate) fn mailbox(&self, token: &str) -> Option<Result<Arc<Mailbox>, AttachError>> {
        let mut slots = self.lock();
        Some(match &mut slots.by_token.get_mut(token)?.stage {
            Stage::Waiting { mailbox, .. } => {
                // Its lane is never used: what is posted goes on to the transport that comes.
                let lane = || Arc::new(Lane::new(QueueLimits::default(), Outlet::Taker));
                Ok(Arc::clone(mailbox.get_or_insert_with(|| Mailbox::new(lane()))))
            }
            Stage::Active { link: Link::WebSocket, .. } => Err(AttachError::OtherTransport),
            Stage::Active { link: Link::Events(mailbox), .. } => Ok(Arc::clone(mailbox)),
            Stage::Active { link: Link::Polls(polls), .. } => Ok(Arc::clone(polls.mailbox())),
        })
    }

    /// Attaches a transport to a negotiated connection.
    pub(crate) fn attach(self: &Arc<Self>, token: &str, lane: &Arc<Lane>, link: Link) -> Result<Attached, AttachError> {
        let mut slots = self.lock();
        let draining = slots.draining;
        let (token, _) = slots.by_token.get_key_value(token).ok_or(AttachError::Unknown)?;
        let token = token.clone();
        let slot = slots.by_token.get_mut(&token).ok_or(AttachError::Unknown)?;
        let early = match &slot.stage {
            Stage::Waiting { .. } if draining => return Err(AttachError::Draining),
            Stage::Waiting { mailbox, .. } => mailbox.as_ref().map(|mailbox| {
                mailbox.abandon();
                mailbox.take()
            }),
            Stage::Active { link: bound, .. } if bound.kind() == link.kind() => {
                return Err(AttachError::AlreadyAttached);
            }
            Stage::Active { .. } => return Err(AttachError::OtherTransport),
        };
        let seat = Seat { registry: Arc::clone(self), token: Some(token), link: link.clone() };
        slot.stage = Stage::Active { lane: Arc::clone(lane), link };
        let id = slot.id.clone();
        slots.active += 1;
        Ok(Attached { id, seat, early: early.unwrap_or_default() })
    }

    /// Adds a WebSocket that comes without negotiation; its id is its token, as under negotiate version 0.
    pub(crate) fn admit(self: &Arc<Self>, lane: &Arc<Lane>) -> Result<Attached, AttachError> {
        let id = ConnectionId::random();
        let token = ConnectionToken::same_as(&id);
        let mut slots = self.lock();
        if slots.draining {
            return Err(AttachError::Draining);
        }
        let stage = Stage::Active { lane: Arc::clone(lane), link: Link::WebSocket };
        slots.by_token.insert(token.clone(), Slot { id: id.clone(), stage });
        slots.active += 1;
        let seat = Seat { registry: Arc::clone(self), token: Some(token), link: Link::WebSocket };
        Ok(Attached { id, seat, early: Vec::new() })
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
        let slots = self.lock();
        slots.by_token.values().filter(|slot| matches!(slot.stage, Stage::Waiting { .. })).count()
    }

    /// Takes no new connections and tells the live ones to say goodbye.
    pub(crate) fn drain(&self) {
        let mut lanes = Vec::new();
        {
            let mut slots = self.lock();
            slots.draining = true;
            slots.by_token.retain(|_, slot| match &slot.stage {
                Stage::Waiting { .. } => false,
                Stage::Active { lane, .. } => {
                    lanes.push(Arc::clone(lane));
                    true
                }
            });
        }
        lanes.iter().for_each(|lane| lane.signals.raise(Signal::Drain));
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

/// A live connection's place in the registry, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    registry: Arc<Registry>,
    token: Option<ConnectionToken>,
    link: Link,
}

impl Seat {
    /// Frees the token: nobody can ask for this connection any more. It still counts as live.
    pub(crate) fn free_token(&mut self) {
        let Some(token) = self.token.take() else { return };
        match &self.link {
            // What is left is fetched by the last polls.
            Link::Polls(polls) => polls.finish(),
            Link::WebSocket | Link::Events(_) => drop(self.registry.lock().by_token.remove(&token)),
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.free_token();
        let mut slots = self.registry.lock();
        slots.active -= 1;
        if slots.active == 0 {
            self.registry.emptied.notify_waiters();
        }
    }
}
