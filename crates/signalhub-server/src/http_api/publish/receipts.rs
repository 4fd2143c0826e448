//! The receipts of publishes, and what they wait for.

use std::collections::VecDeque;
use std::time::Duration;

use portos_notifications::{AnsweredNodes, Delivered, Receipt, ReceiptScope, Wait};
use serde::Serialize;
use signalhub::events::{Broker, ClusterMatches, DeliveredCounts, LogFuture, Published, Tracked};
use tokio::time::Instant;

use crate::http_api::problem::{Details, Problem};

/// Waits until events are delivered, for at most `left` in all, and returns what is left of it.
pub(super) async fn wait_for(
    tracked: impl IntoIterator<Item = (&mut Receipt, Awaited)>,
    mut left: Duration,
) -> Duration {
    for (receipt, tracked) in tracked {
        let start = Instant::now();
        match tracked {
            Awaited::Here(tracked) => receipt.delivered = Some(delivered(tracked.wait(left).await)),
            Awaited::Everywhere(counts) => {
                let matches = counts.await;
                receipt.matched = matches.matched;
                receipt.delivered = matches.delivered.map(delivered);
                let [answered, expected] = [matches.answered, matches.expected].map(|count| count as u64);
                receipt.nodes = Some(AnsweredNodes { answered, expected });
                receipt.scope = Some(ReceiptScope::Cluster);
            }
        }
        left = left.saturating_sub(start.elapsed());
    }
    left
}

/// The answer to a publish that waited for this, and what it is to wait for.
pub(super) fn receipt(broker: &Broker, published: Published, wait: Wait) -> (Receipt, Option<Awaited>) {
    let mut receipt = portos_notifications::broker::receipt(&published.receipt);
    receipt.durable = wait == Wait::Durable;
    receipt.scope = broker.is_shared().then_some(ReceiptScope::Node);
    let cluster = published.cluster;
    receipt.replicated = cluster.as_ref().and_then(|cluster| cluster.replicas);
    let counts = cluster.and_then(|cluster| cluster.counts);
    (receipt, counts.map(Awaited::Everywhere).or(published.tracked.map(Awaited::Here)))
}

/// The result of an item of a batch.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Outcome<'a> {
    Accepted(&'a Receipt),
    Refused(Details<'a>),
}

impl<'a> From<&'a Result<Receipt, Problem>> for Outcome<'a> {
    fn from(result: &'a Result<Receipt, Problem>) -> Self {
        match result {
            Ok(receipt) => Self::Accepted(receipt),
            Err(problem) => Self::Refused(problem.details()),
        }
    }
}

/// What the answer to a publish waits for.
pub(super) enum Awaited {
    /// Until the event is written to the clients of this node.
    Here(Tracked),
    /// Until all nodes of the cluster have told their counts.
    Everywhere(LogFuture<'static, ClusterMatches>),
}

fn delivered(counts: DeliveredCounts) -> Delivered {
    let DeliveredCounts { written, ended, waiting } = counts;
    let [written, ended, waiting] = [written, ended, waiting].map(|count| count as u64);
    Delivered { written, ended, waiting }
}

/// Takes what tells how far the events of items have come, each with the receipt of its item.
pub(super) fn take_tracked<'a>(
    results: &'a mut [Result<Receipt, Problem>],
    tracked: &mut VecDeque<(usize, Awaited)>,
) -> Vec<(&'a mut Receipt, Awaited)> {
    let mut taken = Vec::with_capacity(tracked.len());
    for (item, result) in results.iter_mut().enumerate() {
        if let Ok(receipt) = result
            && tracked.front().is_some_and(|(of, _)| *of == item)
            && let Some((_, tracked)) = tracked.pop_front()
        {
            taken.push((receipt, tracked));
        }
    }
    taken
}
