//! How many connections, sockets and requests a server accepts, and how long they may take.

pub(crate) mod file_descriptors;
pub(crate) mod limit;
pub(crate) mod quota;
pub(crate) mod socket_quotas;
pub(crate) mod times;

use std::time::Duration;

use self::limit::Limit;
use self::quota::QuotaLimits;
use self::times::Times;

/// One address may have this part of all sockets by default: a quarter.
const ADDRESSES: usize = 4;

/// How many connections, sockets and requests a server accepts, and how long they may take.
///
/// A request beyond a number is refused with `Retry-After` and counted in [`LimitRefusals`](crate::LimitRefusals). A client
/// that takes longer than a time is disconnected.
///
/// ```
/// # use signalhub_connections::Limits;
/// let limits = Limits::default().connections(20_000).connections_per_user(50);
/// ```
#[derive(Clone, Debug)]
pub struct Limits {
    negotiations: usize,
    negotiations_per_user: Option<usize>,
    negotiations_per_address: Option<usize>,
    negotiation_lifetime: Duration,
    connections: Option<usize>,
    per_user: Option<usize>,
    per_address: Option<usize>,
    header_timeout: Duration,
    idle_timeout: Duration,
    body_timeout: Duration,
    send_timeout: Duration,
    head_size: usize,
    sockets_per_address: Option<usize>,
    descriptor_headroom: usize,
    queued: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            negotiations: 10_000,
            negotiations_per_user: None,
            negotiations_per_address: None,
            // The original's DisconnectTimeout.
            negotiation_lifetime: Duration::from_secs(15),
            connections: None,
            per_user: None,
            per_address: None,
            header_timeout: Duration::from_secs(10),
            // Longer than reverse proxies keep idle sockets, so that the proxy closes them and no request is lost. The
            // original's host has the same.
            idle_timeout: Duration::from_secs(130),
            body_timeout: Duration::from_secs(30),
            // The original's TransportSendTimeout.
            send_timeout: Duration::from_secs(10),
            // The original's host: MaxRequestHeadersTotalSize.
            head_size: 32 * 1024,
            sockets_per_address: None,
            descriptor_headroom: 64,
            queued: 1 << 30,
        }
    }
}

impl Limits {
    /// Sets how many negotiated connections may wait for their transport, 10 000 by default; more get 503.
    ///
    /// This and the limits per user and per address count tickets that were not used yet, too. A node of a
    /// [cluster](crate::Cluster) keeps neither, so there they have no effect.
    #[must_use]
    pub fn pending_negotiations(mut self, count: usize) -> Self {
        self.negotiations = count;
        self
    }

    /// Sets how many negotiated connections of one user may wait, a quarter of all by default; more get 429.
    #[must_use]
    pub fn pending_negotiations_per_user(mut self, count: usize) -> Self {
        self.negotiations_per_user = Some(count);
        self
    }

    /// Sets how many negotiated connections from one address (for IPv6, one /64 network) may wait, half of all by default;
    /// more get 429.
    #[must_use]
    pub fn pending_negotiations_per_address(mut self, count: usize) -> Self {
        self.negotiations_per_address = Some(count);
        self
    }

    /// Sets for how long a negotiated connection waits for its transport, 15 s by default; then its token is unknown.
    #[must_use]
    pub fn negotiation_lifetime(mut self, lifetime: Duration) -> Self {
        self.negotiation_lifetime = lifetime;
        self
    }

    /// Sets how many connections there may be in all, without limit by default; more get 503.
    #[must_use]
    pub fn connections(mut self, count: usize) -> Self {
        self.connections = Some(count);
        self
    }

    /// Sets how many connections one user may have, negotiated ones included, without limit by default; more get 429.
    ///
    /// Users of the same name in two organisations are two users. Anonymous clients count for their address alone.
    #[must_use]
    pub fn connections_per_user(mut self, count: usize) -> Self {
        self.per_user = Some(count);
        self
    }

    /// Sets how many connections may come from one address, negotiated ones included, without limit by default; more
    /// get 429.
    ///
    /// A /64 network of IPv6 counts as one address. Behind a reverse proxy, this needs
    /// [`TrustedProxies`](crate::TrustedProxies).
    #[must_use]
    pub fn connections_per_address(mut self, count: usize) -> Self {
        self.per_address = Some(count);
        self
    }

    /// Sets how long a client may take to send the head of a request, 10 s by default; then its socket is closed.
    #[must_use]
    pub fn header_timeout(mut self, timeout: Duration) -> Self {
        self.header_timeout = timeout;
        self
    }

    /// Sets how long a socket may be open between two requests, 130 s by default.
    #[must_use]
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.idle_timeout = timeout;
        self
    }

    /// Sets how long a client may take to send the body of a request, 30 s by default; then it gets 408 and its socket is
    /// closed. Time in which the server does not read the body, because the connection's input is full, does not count.
    #[must_use]
    pub fn body_timeout(mut self, timeout: Duration) -> Self {
        self.body_timeout = timeout;
        self
    }

    /// Sets how long a client may stop reading an HTTP response, 10 s by default; then its socket is closed, and the
    /// connection whose messages were in the response is closed as a slow consumer.
    ///
    /// [`Endpoint::send_timeout`](crate::Endpoint::send_timeout) is the same for WebSockets and event streams.
    #[must_use]
    pub fn send_timeout(mut self, timeout: Duration) -> Self {
        self.send_timeout = timeout;
        self
    }

    /// Sets how many bytes the head of a request may have, 32 KiB by default; a longer one gets 431.
    #[must_use]
    pub fn head_size(mut self, bytes: usize) -> Self {
        self.head_size = bytes;
        self
    }

    /// Sets how many sockets one address may have open, by default a quarter of what there may be in all; more get 429.
    ///
    /// Addresses are counted as in [`connections_per_address`](Self::connections_per_address). A socket of a
    /// [trusted proxy](crate::TrustedProxies) counts for the client whose request or connection it carries, and for no
    /// client between requests. On systems other than Linux, there is no limit by default.
    #[must_use]
    pub fn sockets_per_address(mut self, count: usize) -> Self {
        self.sockets_per_address = Some(count);
        self
    }

    /// Sets how many file descriptors are kept free for the rest of the process, 64 by default. When all others are in use,
    /// the sockets that have been idle for longest are closed to make room for new ones; if none is idle, new sockets get
    /// 503 and are closed. This has an effect on Linux only.
    #[must_use]
    pub fn descriptor_headroom(mut self, count: usize) -> Self {
        self.descriptor_headroom = count;
        self
    }

    /// Sets how many bytes may be queued for all clients together, 1 GiB by default. A sixteenth of
    /// [`Endpoint::queue_limit`](crate::Endpoint::queue_limit) is free for each client and does not count.
    ///
    /// Once half of it is used, the rest is for clients that keep reading. A client that needs more than is left is
    /// closed as a slow consumer. A message that is queued for several clients counts for each of them, although they
    /// share its bytes.
    #[must_use]
    pub fn queued_bytes(mut self, bytes: usize) -> Self {
        self.queued = bytes;
        self
    }

    pub(crate) fn queued(&self) -> usize {
        self.queued
    }

    pub(crate) fn lifetime(&self) -> Duration {
        self.negotiation_lifetime
    }

    pub(crate) fn times(&self) -> Times {
        Times { header: self.header_timeout, idle: self.idle_timeout, send: self.send_timeout }
    }

    pub(crate) fn body_time(&self) -> Duration {
        self.body_timeout
    }

    pub(crate) fn longest_head(&self) -> usize {
        self.head_size
    }

    /// How many sockets an address may have, given how many there may be in all.
    pub(crate) fn socket_limit(&self, sockets: Option<usize>) -> Option<usize> {
        self.sockets_per_address.or_else(|| Some((sockets? / ADDRESSES).max(1)))
    }

    pub(crate) fn headroom(&self) -> usize {
        self.descriptor_headroom
    }

    pub(crate) fn allow_negotiation(&self, waiting: usize) -> Result<(), Limit> {
        if waiting < self.negotiations { Ok(()) } else { Err(Limit::Negotiations) }
    }

    /// How many connections that wait for their transport one user and one address may have.
    pub(crate) fn negotiation_quota_limits(&self) -> QuotaLimits {
        let share = |set: Option<usize>, parts: usize| Some(set.unwrap_or((self.negotiations / parts).max(1)));
        QuotaLimits {
            per_user: share(self.negotiations_per_user, 4),
            per_address: share(self.negotiations_per_address, 2),
        }
    }

    /// How many connections one user and one address may have.
    pub(crate) fn quota_limits(&self) -> QuotaLimits {
        QuotaLimits { per_user: self.per_user, per_address: self.per_address }
    }

    pub(crate) fn allow_connection(&self, active: usize) -> Result<(), Limit> {
        match self.connections {
            Some(most) if active >= most => Err(Limit::Connections),
            _ => Ok(()),
        }
    }
}
