//! Renews the claims of the connections that this node of a cluster owns.

use std::collections::HashSet;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::time::{Instant, MissedTickBehavior};

use super::Registry;
use crate::close::dismissal::Dismissal;
use crate::cluster::this_node::{RENEWAL, RENEWED_AT_ONCE, ThisNode};
use crate::id::{ConnectionId, ConnectionToken};

/// How long claims are not renewed once more after the store may have lost them.
const PAUSE: Duration = Duration::from_secs(1);

/// Starts the task that renews all claims every 20 s, and at once when the store may have lost them. It ends with the registry. When it
/// panics, it is started again: without it, all claims of the node would expire.
pub(super) fn start(registry: &Arc<Registry>, node: Arc<ThisNode>) {
    let registry = Arc::downgrade(registry);
    tokio::spawn(async move {
        let mut first = Instant::now() + RENEWAL;
        while AssertUnwindSafe(keep_claims(&registry, &node, first)).catch_unwind().await.is_err() {
            node.counts.0.count_renewal_panic();
            tracing::error!("the task that renews claims has panicked, and is started again");
            tokio::time::sleep(PAUSE).await;
            first = Instant::now();
        }
    });
}

/// Renews claims until the registry is dropped. `first` is when they are renewed first.
async fn keep_claims(registry: &Weak<Registry>, node: &ThisNode, first: Instant) {
    let mut interval = tokio::time::interval_at(first, RENEWAL);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let is_lost = tokio::select! {
            _ = interval.tick() => false,
            () = node.owners.lost() => true,
        };
        let Some(claims) = Weak::upgrade(registry).map(|registry| registry.lock().claims_to_renew()) else {
            return;
        };
        for some in claims.chunks(RENEWED_AT_ONCE) {
            if !renew(registry, node, some).await {
                break;
            }
        }
        if is_lost {
            tracing::debug!("claims were made again, because the store may have lost them");
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// Renews some claims. Returns whether a part of the store answered.
async fn renew(registry: &Weak<Registry>, node: &ThisNode, claims: &[(ConnectionToken, ConnectionId)]) -> bool {
    let ids: Vec<_> = claims.iter().map(|(_, id)| id.clone()).collect();
    let renewed = match node.owners.renew(&ids).await {
        Ok(renewed) => renewed,
        Err(error) => {
            tracing::debug!(%error, "claims were not renewed");
            return false;
        }
    };
    let Some(registry) = Weak::upgrade(registry) else { return false };
    let (lost, unanswered): (HashSet<_>, HashSet<_>) =
        (renewed.lost.into_iter().collect(), renewed.unanswered.into_iter().collect());
    let mut lost_connections = Vec::new();
    {
        let mut entries = registry.lock();
        for (token, id) in claims {
            if lost.contains(id) {
                lost_connections.extend(entries.send_queue(token));
            } else if !unanswered.contains(id) {
                entries.claim_renewed(token);
            }
        }
    }
    for send_queue in lost_connections {
        node.counts.0.count_lost_claim();
        tracing::warn!("a connection ends, because another node has claimed it while this one had no claim");
        // The client connects again, to one node.
        send_queue.dismiss(Dismissal { allow_reconnect: true, reason: None });
    }
    true
}
