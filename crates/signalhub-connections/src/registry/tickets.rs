//! The tickets that may still negotiate. All of them are under the registry's lock.
//!
//! ```text
//! issued ──▶ open ── negotiates ──▶ open, opens one connection ── the client sends ──▶ opens one connection
//!             │                      │           ▲        │                                │
//!          expired                expired        └────────┘                       the connection ends
//!             ▼                      ▼      negotiates again                               ▼
//!          removed       opens one connection                                           removed
//! ```
//! A client whose WebSocket or event stream cannot be opened negotiates again for the next transport, with the same ticket.
//! So a ticket stays open until the client has sent something, which shows that its transport works. Only one connection
//! is opened by a ticket at any time: the one that it negotiated last.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::auth::authenticate::Authentication;
use crate::auth::identity::Identity;
use crate::auth::ticket::TicketHash;
use crate::cluster::shared_ticket::SharedTicket;
use crate::id::ConnectionToken;
use crate::limits::Limits;
use crate::limits::limit::Limit;
use crate::limits::quota::{QuotaKey, QuotaShare, Quotas};

/// The bytes of claims that count as one ticket towards the limits.
const BYTES_PER_TICKET: usize = 4 * 1024;

/// What a request with a ticket is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TicketUse<'a> {
    /// It negotiates a connection.
    Negotiate,
    /// It opens a connection that was not negotiated.
    Open,
    /// It belongs to the connection of this token.
    Connection(&'a str),
}

/// Why a ticket does not admit a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TicketError {
    #[error("there is no such ticket")]
    Unknown,
    #[error("the ticket is for another connection")]
    OtherConnection,
    #[error("the token that the ticket stands for has expired")]
    Expired,
}

/// An unknown ticket may have been guessed. The others are genuine.
impl From<TicketError> for Authentication {
    fn from(error: TicketError) -> Self {
        match error {
            TicketError::Unknown => Self::Invalid(error.to_string().into()),
            TicketError::OtherConnection => Self::Unacceptable(error.to_string().into()),
            TicketError::Expired => Self::Expired,
        }
    }
}

/// A ticket as its connection keeps it.
#[derive(Debug)]
pub(crate) struct ConnectionTicket {
    pub(super) hash: TicketHash,
    /// The identity of the connection.
    pub(super) identity: Arc<Identity>,
    /// What closes it at all nodes of a cluster, until it is closed.
    pub(super) shared: Option<SharedTicket>,
}

impl ConnectionTicket {
    /// A ticket that opens connections at all nodes of a cluster.
    pub(crate) fn shared(hash: TicketHash, identity: Arc<Identity>, shared: SharedTicket) -> Self {
        Self { hash, identity, shared: Some(shared) }
    }
}

/// Whether a ticket opened a connection, and whether that may negotiate again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TicketState {
    NoTicket,
    /// It may.
    Open,
    /// It opens this connection and no other.
    Closed,
}

/// A ticket that may negotiate.
#[derive(Debug)]
struct OpenTicket {
    identity: Arc<Identity>,
    /// The number of the endpoint that issued it.
    endpoint: usize,
    /// How long it stays open after it was issued, and after each negotiation.
    lifetime: Duration,
    /// When that was.
    since: Instant,
    /// The connection that it negotiated last.
    connection: Option<ConnectionToken>,
    /// How many tickets it counts as.
    weight: u16,
    share: QuotaShare,
}

/// The tickets that may negotiate, by their hashes.
#[derive(Debug, Default)]
pub(super) struct OpenTickets {
    by_hash: HashMap<TicketHash, OpenTicket>,
    /// The sum of their weights.
    weight: usize,
    quotas: Quotas,
}

impl OpenTicket {
    fn is_open(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.since) < self.lifetime
    }
}

impl OpenTickets {
    /// Adds a ticket. The limits of negotiations hold for tickets, too.
    pub(super) fn issue(
        &mut self,
        hash: TicketHash,
        identity: &Arc<Identity>,
        lifetime: Duration,
        key: &QuotaKey,
        limits: &Limits,
    ) -> Result<(), Limit> {
        limits.allow_negotiation(self.weight)?;
        let weight = 1 + identity.claims.text_len() / BYTES_PER_TICKET;
        let weight = u16::try_from(weight).unwrap_or(u16::MAX);
        let share = self.quotas.take_many(key, weight, limits.negotiation_quota_limits());
        let ticket = OpenTicket {
            identity: Arc::clone(identity),
            endpoint: key.owner.endpoint,
            lifetime,
            since: Instant::now(),
            connection: None,
            weight,
            share: share.map_err(Limit::of_negotiations)?,
        };
        self.weight += usize::from(weight);
        self.by_hash.insert(hash, ticket);
        Ok(())
    }

    /// Finds the identity of a ticket that may negotiate, or open a connection that was not negotiated.
    pub(super) fn identity(
        &self,
        hash: TicketHash,
        wanted: TicketUse<'_>,
        endpoint: usize,
    ) -> Result<&Arc<Identity>, TicketError> {
        let ticket = self.by_hash.get(&hash).filter(|ticket| ticket.endpoint == endpoint);
        let ticket = ticket.filter(|ticket| ticket.is_open(Instant::now())).ok_or(TicketError::Unknown)?;
        match wanted {
            TicketUse::Negotiate => Ok(&ticket.identity),
            TicketUse::Open if ticket.connection.is_none() => Ok(&ticket.identity),
            TicketUse::Open | TicketUse::Connection(_) => Err(TicketError::OtherConnection),
        }
    }

    /// Takes a ticket away from the connection that it negotiated last, and returns this one. `None` if there is no such
    /// ticket any more.
    pub(super) fn unbind(&mut self, hash: TicketHash) -> Option<Option<ConnectionToken>> {
        Some(self.by_hash.get_mut(&hash)?.connection.take())
    }

    /// Binds a ticket to a new connection. Returns what the connection keeps of it.
    pub(super) fn bind(&mut self, hash: TicketHash, connection: &ConnectionToken) -> Option<Box<ConnectionTicket>> {
        let ticket = self.by_hash.get_mut(&hash)?;
        ticket.since = Instant::now();
        ticket.connection = Some(connection.clone());
        Some(Box::new(ConnectionTicket { hash, identity: Arc::clone(&ticket.identity), shared: None }))
    }

    /// Ends the time in which a ticket may negotiate, because its connection works.
    pub(super) fn close(&mut self, hash: TicketHash, connection: &ConnectionToken) {
        if self.by_hash.get(&hash).is_some_and(|ticket| ticket.connection.as_ref() == Some(connection))
            && let Some(ticket) = self.by_hash.remove(&hash)
        {
            self.weight -= usize::from(ticket.weight);
            self.quotas.release(ticket.share);
        }
    }

    /// Removes the tickets that have expired. Returns how many of them were never used.
    pub(super) fn expire(&mut self, now: Instant) -> u64 {
        let Self { by_hash, weight, quotas } = self;
        let mut unused = 0;
        by_hash.retain(|_, ticket| {
            let keep = ticket.is_open(now);
            if !keep {
                *weight -= usize::from(ticket.weight);
                quotas.release(std::mem::take(&mut ticket.share));
                unused += u64::from(ticket.connection.is_none());
            }
            keep
        });
        unused
    }
}

#[cfg(test)]
mod tests;
