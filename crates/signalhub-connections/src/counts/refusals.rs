//! Counts the sockets and requests that a server refused, by limit.

use std::ops::Add;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::limits::limit::Limit;
use crate::limits::times::Overdue;

/// How many requests and sockets a server has refused since it started, by the limit that they exceeded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LimitRefusals {
    /// Negotiations and connections, because the server was stopping.
    pub draining: u64,
    /// Negotiations, because too many waited for their transport.
    pub pending_negotiations: u64,
    /// Negotiations of users that had too many waiting for their transport.
    pub pending_negotiations_per_user: u64,
    /// Negotiations from addresses that had too many waiting for their transport.
    pub pending_negotiations_per_address: u64,
    /// Negotiations and connections, because there were too many connections.
    pub connections: u64,
    /// Negotiations and connections of users that had too many.
    pub per_user: u64,
    /// Negotiations and connections from addresses that had too many.
    pub per_address: u64,
    /// Sockets and requests from addresses that had too many sockets.
    pub sockets_per_address: u64,
    /// Sockets, because too few file descriptors were left.
    pub descriptors: u64,
    /// Idle sockets that were closed to make room for others, because too few file descriptors were left.
    pub evicted_sockets: u64,
    /// Requests with wrong credentials from addresses that had sent too many of them.
    pub failed_authentications: u64,
    /// Requests of web pages of another origin: refused, or answered without the headers that let the page see it.
    pub foreign_origins: u64,
    /// Sockets, because the head of a request took too long.
    pub header_timeouts: u64,
    /// Sockets, because they were idle for too long.
    pub idle_timeouts: u64,
    /// Requests, because their body took too long.
    pub body_timeouts: u64,
    /// Sockets, because a response was not read.
    pub send_timeouts: u64,
    /// Requests, because their head was too large.
    pub large_heads: u64,
    /// Requests of applications' pages, because their body was too large.
    pub large_bodies: u64,
    /// Logins, because there were too many sessions.
    pub sessions: u64,
    /// Subscriptions of connections that had too many.
    pub subscriptions: u64,
    /// Commands of connections that sent too many.
    pub commands: u64,
    /// Publishes of clients above their rate.
    pub publishes: u64,
}

/// A limit that an application has set and found exceeded: a handler of connections, or a page of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ApplicationLimit {
    /// Wrong credentials from an address that had sent too many of them.
    FailedAuthentications,
    /// The size of the body of a request.
    BodySize,
    /// The number of sessions.
    Sessions,
    /// The number of subscriptions of a connection.
    Subscriptions,
    /// The rate of commands of a connection.
    Commands,
    /// The rate of publishes of a client.
    Publishes,
}

impl ApplicationLimit {
    /// A short name for metrics and logs.
    pub fn label(self) -> &'static str {
        match self {
            Self::FailedAuthentications => Limit::Guesses.label(),
            Self::BodySize => "body_size",
            Self::Sessions => "sessions",
            Self::Subscriptions => "subscriptions_per_connection",
            Self::Commands => "invocation_rate",
            Self::Publishes => "publish_rate",
        }
    }
}

impl Add for LimitRefusals {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            draining: self.draining + other.draining,
            pending_negotiations: self.pending_negotiations + other.pending_negotiations,
            pending_negotiations_per_user: self.pending_negotiations_per_user + other.pending_negotiations_per_user,
            pending_negotiations_per_address: self.pending_negotiations_per_address
                + other.pending_negotiations_per_address,
            connections: self.connections + other.connections,
            per_user: self.per_user + other.per_user,
            per_address: self.per_address + other.per_address,
            sockets_per_address: self.sockets_per_address + other.sockets_per_address,
            descriptors: self.descriptors + other.descriptors,
            evicted_sockets: self.evicted_sockets + other.evicted_sockets,
            failed_authentications: self.failed_authentications + other.failed_authentications,
            foreign_origins: self.foreign_origins + other.foreign_origins,
            header_timeouts: self.header_timeouts + other.header_timeouts,
            idle_timeouts: self.idle_timeouts + other.idle_timeouts,
            body_timeouts: self.body_timeouts + other.body_timeouts,
            send_timeouts: self.send_timeouts + other.send_timeouts,
            large_heads: self.large_heads + other.large_heads,
            large_bodies: self.large_bodies + other.large_bodies,
            sessions: self.sessions + other.sessions,
            subscriptions: self.subscriptions + other.subscriptions,
            commands: self.commands + other.commands,
            publishes: self.publishes + other.publishes,
        }
    }
}

/// Counts refusals.
#[derive(Debug, Default)]
pub(crate) struct RefusalCounts {
    draining: AtomicU64,
    negotiations: AtomicU64,
    negotiations_per_user: AtomicU64,
    negotiations_per_address: AtomicU64,
    connections: AtomicU64,
    per_user: AtomicU64,
    per_address: AtomicU64,
    sockets_per_address: AtomicU64,
    descriptors: AtomicU64,
    evicted_sockets: AtomicU64,
    guesses: AtomicU64,
    foreign_origins: AtomicU64,
    header_timeouts: AtomicU64,
    idle_timeouts: AtomicU64,
    body_timeouts: AtomicU64,
    send_timeouts: AtomicU64,
    large_heads: AtomicU64,
    large_bodies: AtomicU64,
    sessions: AtomicU64,
    subscriptions: AtomicU64,
    commands: AtomicU64,
    publishes: AtomicU64,
}

impl RefusalCounts {
    pub(crate) fn count(&self, limit: Limit) {
        let counter = match limit {
            Limit::Draining => &self.draining,
            Limit::Negotiations => &self.negotiations,
            Limit::NegotiationsPerUser => &self.negotiations_per_user,
            Limit::NegotiationsPerAddress => &self.negotiations_per_address,
            Limit::Connections => &self.connections,
            Limit::PerUser => &self.per_user,
            Limit::PerAddress => &self.per_address,
            Limit::SocketsPerAddress => &self.sockets_per_address,
            Limit::Descriptors => &self.descriptors,
            Limit::HeadSize => &self.large_heads,
            Limit::Guesses => &self.guesses,
            Limit::ForeignOrigin => &self.foreign_origins,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count_overdue(&self, overdue: Overdue) {
        let counter = match overdue {
            Overdue::Head => &self.header_timeouts,
            Overdue::Request => &self.idle_timeouts,
            Overdue::Body => &self.body_timeouts,
            Overdue::Answer => &self.send_timeouts,
            Overdue::Evicted => &self.evicted_sockets,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count_of_application(&self, limit: ApplicationLimit) {
        let counter = match limit {
            ApplicationLimit::FailedAuthentications => &self.guesses,
            ApplicationLimit::BodySize => &self.large_bodies,
            ApplicationLimit::Sessions => &self.sessions,
            ApplicationLimit::Subscriptions => &self.subscriptions,
            ApplicationLimit::Commands => &self.commands,
            ApplicationLimit::Publishes => &self.publishes,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn so_far(&self) -> LimitRefusals {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        LimitRefusals {
            draining: read(&self.draining),
            pending_negotiations: read(&self.negotiations),
            pending_negotiations_per_user: read(&self.negotiations_per_user),
            pending_negotiations_per_address: read(&self.negotiations_per_address),
            connections: read(&self.connections),
            per_user: read(&self.per_user),
            per_address: read(&self.per_address),
            sockets_per_address: read(&self.sockets_per_address),
            descriptors: read(&self.descriptors),
            evicted_sockets: read(&self.evicted_sockets),
            failed_authentications: read(&self.guesses),
            foreign_origins: read(&self.foreign_origins),
            header_timeouts: read(&self.header_timeouts),
            idle_timeouts: read(&self.idle_timeouts),
            body_timeouts: read(&self.body_timeouts),
            send_timeouts: read(&self.send_timeouts),
            large_heads: read(&self.large_heads),
            large_bodies: read(&self.large_bodies),
            sessions: read(&self.sessions),
            subscriptions: read(&self.subscriptions),
            commands: read(&self.commands),
            publishes: read(&self.publishes),
        }
    }
}
