//! The connections of a server by their tokens, with their counts and quotas. All of it is under the registry's lock.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::time::Instant;

use super::connection_table::{ConnectionTable, TakenOut};
use super::entry::{AttachError, Entry, Found, Link, NewTransport, Resumable, Stage, Waiting};
use super::live_connections::LiveConnection;
use super::tickets::{ConnectionTicket, OpenTickets, TicketError, TicketState, TicketUse};
use crate::auth::identity::{Identity, Owner, Principal};
use crate::auth::revocation::Revocation;
use crate::auth::ticket::TicketHash;
use crate::close::CloseReason;
use crate::cluster::claim::ConnectionClaim;
use crate::counts::traffic::Traffic;
use crate::id::{ConnectionId, ConnectionNames, ConnectionToken};
use crate::limits::Limits;
use crate::limits::limit::Limit;
use crate::limits::quota::{QuotaKey, QuotaShare, Quotas};
use crate::outbound::{Backlog, QueueLimits, SendQueue};
use crate::transport::inbox::Inbox;
use crate::transport::reconnect::Reconnect;
use crate::transport_kind::TransportKind;

/// The connections of a server by their tokens.
#[derive(Debug, Default)]
pub(super) struct Entries {
    connections: ConnectionTable,
    /// Connections whose handlers run or whose sockets are not closed yet.
    pub(super) active: usize,
    /// Those of them that have lost their transport.
    pub(super) suspended: usize,
    /// Negotiated connections without transport.
    pub(super) waiting: usize,
    /// How often a connection got another transport after it had lost one.
    pub(super) resumed: u64,
    /// How many connections ended while they waited for another transport.
    pub(super) given_up: u64,
    /// How many connections without transport each user and address has.
    waiting_quotas: Quotas,
    /// How many connections of any kind each user and address has.
    quotas: Quotas,
    tickets: OpenTickets,
    pub(super) limits: Limits,
    pub(super) draining: bool,
}

/// A connection that has just got its first transport.
pub(super) struct NewlyActive<T> {
    pub(super) token: ConnectionToken,
    pub(super) id: ConnectionId,
    pub(super) link: Link,
    pub(super) share: QuotaShare,
    pub(super) reconnect: Reconnect,
    pub(super) ticket: TicketState,
    /// What the caller of `attach` made together with its transport.
    pub(super) made: T,
}

/// The connections that a tick concerns.
#[derive(Default)]
pub(super) struct Ticked {
    /// Those that get the tick.
    pub(super) due: Vec<Weak<SendQueue>>,
    /// Those that have waited too long for another transport.
    pub(super) given_up: Vec<Arc<SendQueue>>,
    /// How many negotiations have expired.
    pub(super) expired: u64,
    /// How many tickets have expired without being used.
    pub(super) expired_tickets: u64,
}

impl Entries {
    /// Removes negotiations that have expired, and finds the connections that are due for the tick.
    pub(super) fn tick(&mut self, now: Instant) -> Ticked {
        let mut ticked = Ticked { expired_tickets: self.tickets.expire(now), ..Ticked::default() };
        let lifetime = self.limits.lifetime();
        self.retain(|stage| match stage {
            Stage::Waiting(waiting) => {
                let waits = now.duration_since(waiting.since) <= lifetime;
                ticked.expired += u64::from(!waits);
                waits
            }
            Stage::Active(link) => {
                if link.send_queue().signals.is_due() {
                    ticked.due.push(Arc::downgrade(link.send_queue()));
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
                    ticked.due.push(Arc::downgrade(link.send_queue()));
                }
                if link.disconnect_timeout().is_some_and(|timeout| now.duration_since(*since) > timeout) {
                    ticked.given_up.push(Arc::clone(link.send_queue()));
                }
                true
            }
        });
        ticked
    }

    /// Adds a ticket for a client of this identity, which may negotiate for this time.
    pub(super) fn issue_ticket(
        &mut self,
        hash: TicketHash,
        identity: &Arc<Identity>,
        lifetime: Duration,
        key: &QuotaKey,
    ) -> Result<(), Limit> {
        self.allow()?;
        self.tickets.issue(hash, identity, lifetime, key, &self.limits)
    }

    /// Finds the identity of a ticket that admits this use at an endpoint.
    pub(super) fn identity_of_ticket(
        &self,
        hash: TicketHash,
        wanted: TicketUse<'_>,
        endpoint: usize,
    ) -> Result<&Arc<Identity>, TicketError> {
        if let TicketUse::Connection(token) = wanted
            && let Some(entry) = self.connections.get(token).filter(|entry| entry.owner.endpoint == endpoint)
            && let Some(ticket) = entry.ticket.as_ref().filter(|ticket| ticket.hash == hash)
        {
            return Ok(&ticket.identity);
        }
        self.tickets.identity(hash, wanted, endpoint)
    }

    /// Takes a ticket away from the connection that it negotiated before, because it negotiates another one.
    fn unbind_ticket(&mut self, hash: TicketHash) -> Result<(), AttachError> {
        let Some(before) = self.tickets.unbind(hash).ok_or(AttachError::TicketUsed)? else { return Ok(()) };
        let Some(entry) = self.connections.get_mut(before.reveal()) else { return Ok(()) };
        entry.ticket = None;
        if let Stage::Waiting(_) = entry.stage
            && let Some(mut entry) = self.connections.remove(before.reveal())
        {
            self.give_back(&mut entry);
        }
        Ok(())
    }

    /// Ends the time in which the ticket of a connection may negotiate, because the connection works.
    pub(super) fn close_ticket(&mut self, connection: &ConnectionToken) {
        if let Some(ticket) = self.connections.get_mut(connection.reveal()).and_then(|entry| entry.ticket.as_mut()) {
            match ticket.shared.take() {
                Some(shared) => shared.close(),
                None => self.tickets.close(ticket.hash, connection),
            }
        }
    }

    /// Makes the ticket of a connection stand for new credentials.
    pub(super) fn renew_ticket(&mut self, connection: &ConnectionToken, identity: &Arc<Identity>) {
        if let Some(ticket) = self.connections.get_mut(connection.reveal()).and_then(|entry| entry.ticket.as_mut()) {
            ticket.identity = Arc::clone(identity);
        }
    }

    /// Adds a connection that waits for its transport.
    pub(super) fn negotiate(
        &mut self,
        ConnectionNames { id, token }: ConnectionNames,
        reconnect: Reconnect,
        key: &QuotaKey,
        ticket: Option<TicketHash>,
    ) -> Result<(), AttachError> {
        ticket.map(|ticket| self.unbind_ticket(ticket)).transpose()?;
        self.allow()?;
        self.limits.allow_negotiation(self.waiting)?;
        let limits = self.limits.negotiation_quota_limits();
        let waiting = self.waiting_quotas.take(key, limits).map_err(Limit::of_negotiations)?;
        let share = match self.take_quota(key) {
            Ok(share) => share,
            Err(limit) => {
                self.waiting_quotas.release(waiting);
                return Err(limit.into());
            }
        };
        self.waiting += 1;
        let now = Instant::now();
        let waiting = Waiting { since: now, inbox: None, reconnect, share: waiting };
        let ticket = ticket.and_then(|ticket| self.tickets.bind(ticket, &token));
        let (owner, remote, stage) = (key.owner.clone(), key.remote, Stage::Waiting(waiting));
        let entry = Entry { id, owner, remote, since: now, stage, share, ticket, claim: None };
        self.connections.insert(token, entry);
        Ok(())
    }

    /// Checks whether a connection could be opened; see [`Registry::may_negotiate`](super::Registry::may_negotiate).
    pub(super) fn may_negotiate(&mut self, key: &QuotaKey) -> Result<(), AttachError> {
        self.allow()?;
        let share = self.take_quota(key)?;
        self.release(share);
        Ok(())
    }

    /// Adds a connection of this node that was negotiated at any node; see [`Registry::adopt`](super::Registry::adopt).
    pub(super) fn adopt(
        &mut self,
        ConnectionNames { id, token }: ConnectionNames,
        reconnect: Reconnect,
        key: &QuotaKey,
        ticket: Option<ConnectionTicket>,
        claim: impl FnOnce() -> Option<ConnectionClaim>,
    ) -> Result<(), AttachError> {
        if self.connections.get(token.reveal()).is_some() {
            return Ok(());
        }
        self.allow()?;
        let share = self.take_quota(key)?;
        let Some(claim) = claim() else {
            self.release(share);
            return Err(AttachError::Unknown);
        };
        self.waiting += 1;
        let now = Instant::now();
        let waiting = Waiting { since: now, inbox: None, reconnect, share: QuotaShare::default() };
        let (owner, remote, stage) = (key.owner.clone(), key.remote, Stage::Waiting(waiting));
        let (ticket, claim) = (ticket.map(Box::new), Some(Box::new(claim)));
        let entry = Entry { id, owner, remote, since: now, stage, share, ticket, claim };
        self.connections.insert(token, entry);
        Ok(())
    }

    /// Removes a connection that waits for its transport.
    pub(super) fn abandon(&mut self, token: &str) {
        if let Some(Entry { stage: Stage::Waiting(_), .. }) = self.connections.get(token)
            && let Some(mut entry) = self.connections.remove(token)
        {
            self.give_back(&mut entry);
        }
    }

    /// The claims that must be renewed.
    pub(super) fn claims_to_renew(&self) -> Vec<(ConnectionToken, ConnectionId)> {
        let claims = self.connections.iter().filter_map(|(token, entry)| Some((token, entry.claim.as_ref()?)));
        claims.filter_map(|(token, claim)| Some((token.clone(), claim.to_renew()?.clone()))).collect()
    }

    /// Records that the store of the cluster has the claim of a connection.
    pub(super) fn claim_renewed(&mut self, token: &ConnectionToken) {
        if let Some(claim) = self.connections.get_mut(token.reveal()).and_then(|entry| entry.claim.as_mut()) {
            claim.renewed();
        }
    }

    /// The connection of a token.
    pub(super) fn send_queue(&self, token: &ConnectionToken) -> Option<Arc<SendQueue>> {
        Some(Arc::clone(self.connections.get(token.reveal())?.stage.link()?.send_queue()))
    }

    /// Looks up the connection of a token. Returns `None` if it has another owner.
    pub(super) fn find(&self, token: &str, owner: &Owner) -> Option<Found> {
        let entry = self.connections.get(token).filter(|entry| entry.owner == *owner)?;
        Some(match &entry.stage {
            Stage::Waiting(_) => Found::Waiting,
            Stage::Active(link) | Stage::Suspended { link, .. } => Found::Attached(link.clone()),
        })
    }

    /// Finds the connection that gets new credentials; see [`Registry::renewable`](super::Registry::renewable).
    pub(super) fn renewable(&self, token: &str, endpoint: usize) -> Option<(Arc<SendQueue>, Principal)> {
        let entry = self.connections.get(token)?;
        let send_queue = entry.stage.link()?.send_queue();
        // In version 0 the id, which others may know, is also the token.
        let found = entry.owner.endpoint == endpoint && entry.id.as_str() != token && !send_queue.is_ending();
        found.then(|| (Arc::clone(send_queue), entry.owner.principal.clone()))
    }

    /// Finds the inbox for posted bytes; see [`Registry::inbox`](super::Registry::inbox).
    pub(super) fn inbox(
        &mut self,
        token: &str,
        owner: &Owner,
        limits: QueueLimits,
        (backlog, traffic): (&Arc<Backlog>, &Arc<Traffic>),
    ) -> Option<Result<Arc<Inbox>, AttachError>> {
        let entry = self.connections.get_mut(token).filter(|entry| entry.owner == *owner)?;
        Some(match &mut entry.stage {
            Stage::Waiting(Waiting { inbox, .. }) => {
                Ok(Arc::clone(inbox.get_or_insert_with(|| Inbox::early(limits, backlog, traffic))))
            }
            Stage::Active(Link::Events(inbox)) => Ok(Arc::clone(inbox)),
            Stage::Active(Link::Polls(polls)) => Ok(Arc::clone(polls.inbox())),
            Stage::Active(Link::WebSocket { .. }) | Stage::Suspended { .. } => Err(AttachError::OtherTransport),
        })
    }

    /// Attaches a transport to a negotiated connection; see [`Registry::attach`](super::Registry::attach).
    pub(super) fn attach<T>(
        &mut self,
        token: &str,
        kind: TransportKind,
        key: &QuotaKey,
        make: impl FnOnce(Option<Arc<Inbox>>, Reconnect) -> NewTransport<T>,
    ) -> Result<NewlyActive<T>, AttachError> {
        let Self { connections, quotas, waiting_quotas, limits, draining, active, waiting, .. } = self;
        let found = connections.get_with_token(token).filter(|(_, entry)| entry.owner == key.owner);
        let (token, entry) = found.ok_or(AttachError::Unknown)?;
        let (inbox, reconnect) = match &mut entry.stage {
            Stage::Waiting(waiting) => {
                allow(*draining, limits, *active)?;
                quotas.retake(&mut entry.share, key, limits.quota_limits()).map_err(Limit::of_connections)?;
                waiting_quotas.release(std::mem::take(&mut waiting.share));
                (waiting.inbox.take(), waiting.reconnect)
            }
            Stage::Active(bound) | Stage::Suspended { link: bound, .. } if bound.kind() == kind => {
                return Err(AttachError::AlreadyAttached);
            }
            Stage::Active(_) | Stage::Suspended { .. } => return Err(AttachError::OtherTransport),
        };
        let NewTransport { link, made } = make(inbox, reconnect);
        // The next transport may take the share over, so it stays in the entry.
        let share = match link {
            Link::WebSocket { handover: Some(_), .. } => QuotaShare::default(),
            _ => std::mem::take(&mut entry.share),
        };
        if let Some(claim) = &mut entry.claim {
            match link {
                Link::WebSocket { handover: None, .. } => claim.used_alone(),
                _ => claim.used_with_others(),
            }
        }
        (entry.remote, entry.since) = (key.remote, Instant::now());
        entry.stage = Stage::Active(link.clone());
        (*waiting, *active) = (*waiting - 1, *active + 1);
        let ticket = entry.ticket_state();
        Ok(NewlyActive { token: token.clone(), id: entry.id.clone(), link, share, reconnect, ticket, made })
    }

    /// Adds a connection whose WebSocket was opened without a negotiation. Its token is never sent to the client, because
    /// no further request needs it.
    pub(super) fn admit(
        &mut self,
        send_queue: &Arc<SendQueue>,
        key: &QuotaKey,
        ticket: Option<TicketHash>,
    ) -> Result<NewlyActive<()>, AttachError> {
        let ConnectionNames { id, token } = ConnectionNames::random();
        let link = Link::WebSocket { send_queue: Arc::clone(send_queue), handover: None };
        ticket.map(|ticket| self.unbind_ticket(ticket)).transpose()?;
        self.allow()?;
        let share = self.take_quota(key)?;
        let (owner, stage) = (key.owner.clone(), Stage::Active(link.clone()));
        let bound = ticket.and_then(|ticket| self.tickets.bind(ticket, &token));
        let (remote, since, own_share) = (key.remote, Instant::now(), QuotaShare::default());
        let entry = Entry { id: id.clone(), owner, remote, since, stage, share: own_share, ticket: bound, claim: None };
        let ticket = entry.ticket_state();
        self.connections.insert(token.clone(), entry);
        self.active += 1;
        Ok(NewlyActive { token, id, link, share, reconnect: Reconnect::Plain, ticket, made: () })
    }

    /// Finds the connection that a new WebSocket resumes; see [`Registry::resume`](super::Registry::resume).
    pub(super) fn resume(&mut self, token: &str, key: &QuotaKey) -> Option<Result<Resumable, AttachError>> {
        let Self { connections, quotas, limits, .. } = self;
        let Entry { stage, share, remote, .. } = connections.get_mut(token).filter(|entry| entry.owner == key.owner)?;
        let Link::WebSocket { send_queue, handover: Some(handover) } = stage.link()? else { return None };
        if send_queue.is_ending() {
            let suspended = matches!(stage, Stage::Suspended { .. });
            return Some(Err(if suspended { AttachError::Unknown } else { AttachError::AlreadyAttached }));
        }
        if let Err(exceeded) = quotas.retake(share, key, limits.quota_limits()) {
            return Some(Err(Limit::of_connections(exceeded).into()));
        }
        *remote = key.remote;
        Some(Ok(Resumable { send_queue: Arc::clone(send_queue), handover: Arc::clone(handover) }))
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.connections.len()
    }

    /// Removes an entry: requests no longer find its connection.
    pub(super) fn remove(&mut self, token: &str) -> Option<Entry> {
        self.connections.remove(token)
    }

    /// Changes the stage of a connection, unless it was removed.
    pub(super) fn change(&mut self, token: &ConnectionToken, change: impl FnOnce(&mut Self, Stage) -> Stage) {
        let Some(TakenOut { entry, place }) = self.connections.take_out(token.reveal()) else { return };
        let stage = change(self, entry.stage);
        self.connections.put_back(TakenOut { entry: Entry { stage, ..entry }, place });
    }

    /// The live connections that may have credentials which are revoked.
    pub(super) fn concerned_by(&self, revocation: &Revocation) -> Vec<Weak<SendQueue>> {
        let concerned = self.connections.values().filter(|entry| revocation.may_concern(&entry.owner.principal));
        concerned.filter_map(|entry| Some(Arc::downgrade(entry.stage.link()?.send_queue()))).collect()
    }

    /// Adds to `live` the wanted ones of the live connections that have some [places](ConnectionTable::some). Returns whether there are such
    /// places.
    pub(super) fn live(
        &self,
        (from, count): (usize, usize),
        is_wanted: impl Fn(&Entry, &Link) -> bool,
        live: &mut Vec<LiveConnection>,
    ) -> bool {
        let Some(entries) = self.connections.some(from, count) else { return false };
        let entries = entries.filter_map(|entry| Some((entry, entry.stage.link()?)));
        let wanted = entries.filter(|(entry, link)| is_wanted(entry, link));
        live.extend(wanted.map(|(entry, link)| LiveConnection::new(entry, link)));
        true
    }

    /// Finds the live connection with this public id.
    pub(super) fn live_by_id(&self, id: &ConnectionId) -> Option<LiveConnection> {
        // In version 0 of negotiation the id is also the token, which must not be tried out here.
        let entry = self.connections.get_by_id(id).filter(|entry| entry.id.is_public())?;
        Some(LiveConnection::new(entry, entry.stage.link()?))
    }

    /// Refuses new connections from now on, and returns the live ones.
    pub(super) fn drain(&mut self) -> Vec<Weak<SendQueue>> {
        let mut live = Vec::new();
        self.draining = true;
        self.retain(|stage| match stage {
            Stage::Waiting(_) => false,
            Stage::Active(link) | Stage::Suspended { link, .. } => {
                live.push(Arc::downgrade(link.send_queue()));
                true
            }
        });
        live
    }

    /// Removes the entries for which `keep` returns `false`. A connection that never got its transport gives back its
    /// shares.
    fn retain(&mut self, mut keep: impl FnMut(&Stage) -> bool) {
        let mut connections = std::mem::take(&mut self.connections);
        connections.retain(|entry| {
            let kept = keep(&entry.stage);
            if !kept {
                self.give_back(entry);
            }
            kept
        });
        self.connections = connections;
    }

    /// Gives back the shares of a removed connection that never got its transport.
    fn give_back(&mut self, entry: &mut Entry) {
        if let Stage::Waiting(waiting) = &mut entry.stage {
            self.waiting -= 1;
            self.quotas.release(std::mem::take(&mut entry.share));
            self.waiting_quotas.release(std::mem::take(&mut waiting.share));
            // POSTs that still wait to add bytes end.
            waiting.inbox.iter().for_each(|inbox| inbox.abandon());
        }
    }

    fn allow(&self) -> Result<(), Limit> {
        allow(self.draining, &self.limits, self.active)
    }

    fn take_quota(&mut self, key: &QuotaKey) -> Result<QuotaShare, Limit> {
        self.quotas.take(key, self.limits.quota_limits()).map_err(Limit::of_connections)
    }

    /// Gives back a connection's share of the quotas.
    pub(super) fn release(&mut self, share: QuotaShare) {
        self.quotas.release(share);
    }
}

fn allow(draining: bool, limits: &Limits, active: usize) -> Result<(), Limit> {
    if draining { Err(Limit::Draining) } else { limits.allow_connection(active) }
}
