//! What the command and its generators tell each other: one line of JSON each.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The first line that a generator reads.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Setup {
    /// Where its node listens.
    pub(super) node: SocketAddr,
    pub(super) path: String,
    /// The users share the connections.
    pub(super) tokens: Vec<String>,
    /// The address that its connections come from: no other process uses it, so all of its ports are free.
    pub(super) source: Ipv4Addr,
    /// How many connections it opens.
    pub(super) connections: usize,
    /// How many of them are being opened at a time.
    pub(super) in_flight: usize,
    /// How often each connection sends a ping.
    pub(super) ping_interval: Duration,
    /// What each connection subscribes to: the argument of `Subscribe`.
    pub(super) subscription: String,
}

/// The further lines that a generator reads. It ends when there are no more.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Order {
    /// Opens no more connections.
    Enough,
    /// Subscribes connections, by their numbers from 0, to one more thing.
    Choose { numbers: Vec<usize>, subscription: String },
    /// Counts what each connection receives from now on, and tells when all that are meant have received something.
    Begin(Receivers),
    /// Tells what came since then.
    Finish,
    /// Tells what it holds now.
    Status,
}

/// Which connections an event is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Receivers {
    All,
    /// Those of [`Order::Choose`].
    Chosen,
}

/// What a generator writes.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Answer {
    /// From time to time while it opens connections.
    Opening {
        held: usize,
    },
    /// It opens no more connections.
    Opened(Status),
    /// This number of connections was chosen, and has the further subscription.
    Chosen(usize),
    Begun,
    /// All connections that are meant have received something.
    Complete,
    Finished(Round),
    Status(Status),
}

/// What a generator holds at a moment.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub(super) struct Status {
    /// Connections that are open and subscribed.
    pub(super) held: usize,
    /// Connections that were subscribed and have ended.
    pub(super) lost: u64,
    /// Connections that could not be opened.
    pub(super) failed: u64,
    pub(super) first_problem: Option<String>,
    pub(super) pings_received: u64,
    pub(super) pings_sent: u64,
}

impl Status {
    /// Both together.
    pub(super) fn with(self, other: Self) -> Self {
        Self {
            held: self.held + other.held,
            lost: self.lost + other.lost,
            failed: self.failed + other.failed,
            first_problem: self.first_problem.or(other.first_problem),
            pings_received: self.pings_received + other.pings_received,
            pings_sent: self.pings_sent + other.pings_sent,
        }
    }
}

/// What came since [`Order::Begin`].
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub(super) struct Round {
    /// Connections that are meant and received exactly one event.
    pub(super) reached: usize,
    /// Connections that received none or several although they are meant, or any although they are not.
    pub(super) wrong: usize,
    /// How many first events came in each millisecond since the epoch of Unix.
    pub(super) arrivals: Vec<(u64, u64)>,
    /// When the last first event came, in microseconds since the epoch of Unix.
    pub(super) last: u64,
}
