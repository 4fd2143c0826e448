//! What a node forwarded to others, what it refused, and which claims it has.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::node::NodeName;

/// Failures are counted separately for at most this many nodes.
const MOST_NODES: usize = 256;

/// Defines a closed set of labels, each with a counter.
macro_rules! labels {
    ($(#[doc = $about:literal])+ $set:ident { $( $(#[doc = $doc:literal])+ $variant:ident = $label:literal, )+ }) => {
        $(#[doc = $about])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $set {
            $( $(#[doc = $doc])+ $variant, )+
        }

        impl $set {
            /// All of them.
            pub const ALL: [Self; [$($label),+].len()] = [$( Self::$variant, )+];

            /// A short name for metrics and logs.
            pub fn label(self) -> &'static str {
                match self {
                    $( Self::$variant => $label, )+
                }
            }
        }
    };
}

labels! {
    /// What a request that was forwarded to another node is for.
    ForwardKind {
        /// A poll, or the DELETE that ends polling.
        Poll = "poll",
        /// A POST with bytes for a connection, or with new credentials.
        Send = "send",
        /// The request of an event stream.
        Events = "events",
        /// A WebSocket that resumes a connection.
        Socket = "socket",
    }
}

labels! {
    /// Why a node refused a request that seemed to come from another node.
    ForwardRefusal {
        /// It has no header of a forwarded request.
        Missing = "missing",
        /// The header cannot be read.
        Malformed = "malformed",
        /// The header was not made with a secret of the cluster, or for another request.
        Forged = "forged",
        /// The header is older than 30 s, or from the future: the clocks of the nodes may differ.
        Expired = "expired",
        /// The header was used before.
        Replayed = "replayed",
        /// This node does not own the connection either. A forwarded request is not forwarded again.
        NotOwner = "not_owner",
    }
}

labels! {
    /// Why a connection token opened nothing.
    TokenRefusal {
        /// It is no connection token.
        Malformed = "malformed",
        /// It was not made with a secret of the cluster, or for another path or another user.
        Forged = "forged",
        /// It was not used in time, or is from the future: the clocks of the nodes may differ.
        Expired = "expired",
        /// It has opened a connection, which has ended.
        Used = "used",
    }
}

/// The counts of one node of a cluster. They stay up to date while its server runs.
#[derive(Clone, Debug, Default)]
pub struct ClusterCounts(pub(crate) Arc<Counts>);

#[derive(Debug, Default)]
pub(crate) struct Counts {
    forwards: [AtomicU64; ForwardKind::ALL.len()],
    failures: Mutex<BTreeMap<NodeName, u64>>,
    refused_forwards: [AtomicU64; ForwardRefusal::ALL.len()],
    refused_tokens: [AtomicU64; TokenRefusal::ALL.len()],
    claims: AtomicUsize,
    unclaimed: AtomicUsize,
    lost_claims: AtomicU64,
    renewal_panics: AtomicU64,
    unavailable: AtomicU64,
}

impl ClusterCounts {
    /// How many requests were forwarded to other nodes so far.
    pub fn forwards(&self, kind: ForwardKind) -> u64 {
        self.0.forwards[kind as usize].load(Ordering::Relaxed)
    }

    /// How many requests could not be forwarded so far, for each node that owns their connections; at most 256 nodes.
    pub fn forward_failures(&self) -> Vec<(NodeName, u64)> {
        let failures = self.0.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures.iter().map(|(node, count)| (node.clone(), *count)).collect()
    }

    /// How many requests on the listener for other nodes were refused so far.
    pub fn refused_forwards(&self, reason: ForwardRefusal) -> u64 {
        self.0.refused_forwards[reason as usize].load(Ordering::Relaxed)
    }

    /// How many requests with a connection token were refused so far because of the token.
    pub fn refused_tokens(&self, reason: TokenRefusal) -> u64 {
        self.0.refused_tokens[reason as usize].load(Ordering::Relaxed)
    }

    /// How many negotiated connections this node owns.
    pub fn claims(&self) -> usize {
        self.0.claims.load(Ordering::Relaxed)
    }

    /// How many of them are not claimed yet, because the store was not available.
    pub fn unclaimed(&self) -> usize {
        self.0.unclaimed.load(Ordering::Relaxed)
    }

    /// How many requests were refused so far because the owner of their connection could not be found out.
    pub fn unavailable(&self) -> u64 {
        self.0.unavailable.load(Ordering::Relaxed)
    }

    /// How many connections of this node were ended so far because another node had claimed them.
    pub fn lost_claims(&self) -> u64 {
        self.0.lost_claims.load(Ordering::Relaxed)
    }

    /// How often the task that renews claims has panicked so far.
    pub fn renewal_panics(&self) -> u64 {
        self.0.renewal_panics.load(Ordering::Relaxed)
    }
}

impl Counts {
    pub(crate) fn count_forward(&self, kind: ForwardKind) {
        self.forwards[kind as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a request that could not be forwarded to a node. Beyond the most nodes, further ones are not counted.
    pub(crate) fn count_failure(&self, node: &NodeName) {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = failures.get_mut(node) {
            *count += 1;
        } else if failures.len() < MOST_NODES {
            failures.insert(node.clone(), 1);
        }
    }

    pub(crate) fn count_refused_forward(&self, reason: ForwardRefusal) {
        self.refused_forwards[reason as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count_refused_token(&self, reason: TokenRefusal) {
        self.refused_tokens[reason as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count_unavailable(&self) {
        self.unavailable.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count_lost_claim(&self) {
        self.lost_claims.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count_renewal_panic(&self) {
        self.renewal_panics.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn add_claim(&self, is_pending: bool) {
        self.claims.fetch_add(1, Ordering::Relaxed);
        if is_pending {
            self.unclaimed.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn claim_made(&self) {
        self.unclaimed.fetch_sub(1, Ordering::Relaxed);
    }

    pub(super) fn remove_claim(&self, is_pending: bool) {
        self.claims.fetch_sub(1, Ordering::Relaxed);
        if is_pending {
            self.unclaimed.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_counted_for_a_bounded_number_of_nodes() {
        let counts = ClusterCounts::default();
        for number in 0..MOST_NODES + 10 {
            counts.0.count_failure(&NodeName::new(&format!("node-{number:03}")).unwrap());
        }
        counts.0.count_failure(&NodeName::new("node-000").unwrap());
        let failures = counts.forward_failures();
        assert_eq!((failures.len(), failures[0].1, failures[1].1), (MOST_NODES, 2, 1));
    }
}
