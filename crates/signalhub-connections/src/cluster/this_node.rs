//! `ThisNode`: what a running server that is a node of a cluster knows of itself and of the others.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use http::HeaderValue;
use http::request::Parts;
use tokio::time::Instant;

use super::client::NodeClient;
use super::counts::{ClusterCounts, ForwardRefusal, TokenRefusal};
use super::forward_header::{ForwardHeader, ForwardedRequest, SIGNALHUB_FORWARDED};
use super::node::{Node, NodeName};
use super::owner_cache::OwnerCache;
use super::owners::{Claim, Owners, OwnersUnavailable};
use super::sealed_ticket::SealedTicket;
use super::secrets::ClusterSecrets;
use super::seen_headers::SeenHeaders;
use super::token::{CLOCK_TOLERANCE, ConnectionKey, Naming, SignedToken, TokenScope};
use super::used_tokens::UsedTokens;
use crate::auth::identity::Owner;
use crate::auth::ticket::{Ticket, TicketHash};
use crate::id::ConnectionNames;
use crate::log_throttle::LogThrottle;
use crate::transport::reconnect::Reconnect;

/// How often claims are renewed.
pub(crate) const RENEWAL: Duration = Duration::from_secs(20);

/// How many claims are renewed at once.
pub(crate) const RENEWED_AT_ONCE: usize = 500;

/// This node of the cluster.
pub(crate) struct ThisNode {
    pub(crate) name: NodeName,
    secrets: ClusterSecrets,
    pub(crate) owners: Arc<dyn Owners>,
    pub(crate) counts: ClusterCounts,
    pub(crate) client: NodeClient,
    /// The paths of the endpoints, by number, in lower case.
    paths: Box<[Box<str>]>,
    cache: Mutex<OwnerCache>,
    used: Mutex<UsedTokens>,
    seen: Mutex<SeenHeaders>,
    /// Limits the lines about requests that other nodes refuse.
    pub(crate) refused_forward_errors: LogThrottle,
    /// Limits the lines about requests that other nodes do not answer.
    pub(crate) failed_forward_warnings: LogThrottle,
}

impl ThisNode {
    pub(crate) fn new(
        name: NodeName,
        secrets: ClusterSecrets,
        owners: Arc<dyn Owners>,
        counts: ClusterCounts,
        client: NodeClient,
        paths: impl Iterator<Item = String>,
    ) -> Self {
        let paths = paths.map(|path| path.to_ascii_lowercase().into()).collect();
        let now = Instant::now();
        let (cache, used, seen) = (Mutex::default(), Mutex::default(), Mutex::new(SeenHeaders::new(now)));
        let [refused_forward_errors, failed_forward_warnings] = [LogThrottle::new(now), LogThrottle::new(now)];
        Self {
            name,
            secrets,
            owners,
            counts,
            client,
            paths,
            cache,
            used,
            seen,
            refused_forward_errors,
            failed_forward_warnings,
        }
    }

    /// Makes the names of a connection that is negotiated now, which this node need not remember.
    /// With a ticket, only that ticket and the credentials that it stands for open the connection.
    pub(crate) fn negotiate(
        &self,
        owner: &Owner,
        reconnect: Reconnect,
        naming: Naming,
        ticket: Option<TicketHash>,
    ) -> ConnectionNames {
        let mut token = SignedToken::new(reconnect, naming, SystemTime::now());
        if let Some(ticket) = ticket {
            token = token.bound_to(ticket, &self.secrets);
        }
        token.names(&token.encode(&self.secrets, self.scope(owner)))
    }

    /// Reads a token that some node has made for this owner.
    pub(crate) fn read_token(&self, owner: &Owner, text: &str) -> Result<SignedToken, TokenRefusal> {
        SignedToken::decode(&self.secrets, self.scope(owner), text)
    }

    /// Tells whether the connection of a token was negotiated with a ticket.
    pub(crate) fn is_bound_to(&self, token: &SignedToken, ticket: TicketHash) -> bool {
        token.is_bound_to(ticket, &self.secrets)
    }

    /// Makes a ticket that stands for a bearer token of this owner.
    pub(crate) fn seal_ticket(&self, owner: &Owner, bearer: &str) -> Ticket {
        let path = self.scope(owner).path;
        let ticket = SealedTicket::new(path, owner.principal.clone(), bearer, SystemTime::now());
        Ticket::sealed(ticket.seal(&self.secrets))
    }

    /// Opens a ticket. `None` if no node has made it for this endpoint.
    pub(crate) fn open_ticket(&self, ticket: &Ticket, endpoint: usize) -> Option<SealedTicket> {
        let opened = SealedTicket::open(&self.secrets, ticket.reveal())?;
        let path = self.paths.get(endpoint)?;
        (*opened.path == **path).then_some(opened)
    }

    fn scope<'a>(&'a self, Owner { endpoint, principal }: &'a Owner) -> TokenScope<'a> {
        let path = self.paths.get(*endpoint).map_or("", |path| path);
        TokenScope { path, principal }
    }

    /// How long some node may accept a token that this one accepts for `left` more.
    pub(crate) fn accepted_anywhere(left: Duration) -> Duration {
        left + 2 * CLOCK_TOLERANCE
    }

    /// Makes this node the owner of a connection, if no node is.
    pub(crate) async fn claim(&self, token: &SignedToken, lasting: Duration) -> Result<Claim, OwnersUnavailable> {
        let claim = self.owners.claim(&token.public_id(), lasting).await?;
        if let Claim::At(node) = &claim {
            self.remember(token.key(), node);
        }
        Ok(claim)
    }

    /// Finds the owner of a connection.
    pub(crate) async fn find(&self, token: &SignedToken) -> Result<Option<Node>, OwnersUnavailable> {
        let node = self.owners.find(&token.public_id()).await?;
        if let Some(node) = &node {
            self.remember(token.key(), node);
        }
        Ok(node)
    }

    /// The owner of a connection, if this node has found it lately.
    pub(crate) fn remembered(&self, key: &ConnectionKey) -> Option<Node> {
        lock(&self.cache).get(key, Instant::now())
    }

    fn remember(&self, key: ConnectionKey, node: &Node) {
        if node.name != self.name {
            lock(&self.cache).insert(key, node.clone(), Instant::now());
        }
    }

    /// Forgets the owner of a connection, because it did not answer as one.
    pub(crate) fn forget(&self, key: &ConnectionKey) {
        lock(&self.cache).remove(key);
    }

    /// Records that the token of a connection that has ended must open no other one.
    pub(super) fn use_up(&self, key: ConnectionKey, until: Instant, now: Instant) {
        lock(&self.used).insert(key, until, now);
    }

    pub(crate) fn is_used_up(&self, key: &ConnectionKey) -> bool {
        lock(&self.used).contains(key)
    }

    /// Counts and logs that a token was refused. The client learns only that there is no such connection.
    pub(crate) fn refuse_token(&self, reason: TokenRefusal) {
        self.counts.0.count_refused_token(reason);
        tracing::debug!(reason = reason.label(), "a connection token was refused");
    }

    /// Signs a request that is forwarded to another node.
    pub(crate) fn sign(&self, header: &ForwardHeader, request: ForwardedRequest<'_>) -> HeaderValue {
        header.encode(&self.secrets, request)
    }

    /// Tells whether a node has forwarded a request to this owner already: its address leads to a listener for clients. They cannot make such a
    /// header, so those that they send do not count.
    pub(crate) fn was_forwarded(&self, head: &Parts, owner: &NodeName) -> bool {
        let Some(value) = head.headers.get(SIGNALHUB_FORWARDED) else { return false };
        let target = head.uri.path_and_query().map_or("/", |target| target.as_str());
        let request = ForwardedRequest { to: owner, method: &head.method, target };
        ForwardHeader::decode(&self.secrets, request, value, SystemTime::now()).is_ok()
    }

    /// Checks the header of a request that another node forwards to this one.
    pub(crate) fn check_forwarded(
        &self,
        value: Option<&HeaderValue>,
        method: &http::Method,
        target: &str,
    ) -> Result<ForwardHeader, ForwardRefusal> {
        let value = value.ok_or(ForwardRefusal::Missing)?;
        let request = ForwardedRequest { to: &self.name, method, target };
        let (header, mac) = ForwardHeader::decode(&self.secrets, request, value, SystemTime::now())?;
        match lock(&self.seen).insert(mac, Instant::now()) {
            true => Ok(header),
            false => Err(ForwardRefusal::Replayed),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for ThisNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ThisNode").field("name", &self.name).finish_non_exhaustive()
    }
}
