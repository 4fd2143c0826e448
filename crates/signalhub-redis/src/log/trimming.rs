//! Removes the events of a shard that are too old or take too much memory, at one node in each minute. The publish script keeps the number
//! of events.

use std::sync::Arc;
use std::time::Duration;

use signalhub_events::EventName;
use time::OffsetDateTime;
use tokio::time::sleep;

use super::publisher::random_epoch;
use super::streams::StreamError;
use super::{Inner, Shard, entry};

/// How often old events are removed.
const INTERVAL: Duration = Duration::from_secs(60);

/// Removes old events while the log is there, if no other node does.
pub(super) async fn trim_each_minute(inner: Arc<Inner>, shard: Arc<Shard>) {
    loop {
        // Nodes that start together do not all ask at once.
        let jitter = Duration::from_millis(random_epoch().get() % 10_000);
        sleep(INTERVAL + jitter).await;
        let trimmed = async {
            if shard.streams.claims_trim().await? {
                inner.trim(&shard).await?;
            }
            Ok::<_, StreamError>(())
        };
        if let Err(error) = trimmed.await {
            tracing::debug!(%error, "old events were not removed");
        }
    }
}

impl Inner {
    /// Removes the events of a shard that are beyond the limits.
    pub(super) async fn trim(&self, shard: &Shard) -> Result<(), StreamError> {
        let names: Vec<EventName> = shard.lock().keys().cloned().collect();
        let now = entry::ticks(OffsetDateTime::now_utc());
        let mut sizes = Vec::with_capacity(names.len());
        for name in &names {
            let limits = self.options.limits_of(name);
            let age = i64::try_from(limits.age.as_nanos() / 100).unwrap_or(i64::MAX);
            self.counts.trimmed.by_age(shard.streams.trim_by_age(name, now.saturating_sub(age)).await?);
            let (removed, bytes) = shard.streams.trim_to(name, limits.bytes).await?;
            self.counts.trimmed.by_bytes(removed);
            sizes.push(bytes.unwrap_or(0));
        }
        let total = self.options.total_bytes / self.shards.len().max(1) as u64;
        if let Some(most) = most_of_each(&sizes, total) {
            for (name, _) in names.iter().zip(&sizes).filter(|(_, size)| **size > most) {
                self.counts.trimmed.by_total(shard.streams.trim_to(name, most).await?.0);
            }
        }
        shard.streams.remind(&names).await
    }
}

/// How many bytes each name may take, so that all of them together take about `total`. Names that take less lose nothing. `None` if they do
/// not take more.
fn most_of_each(sizes: &[u64], total: u64) -> Option<u64> {
    let mut sorted = sizes.to_vec();
    sorted.sort_unstable();
    let mut left = total;
    for (number, size) in sorted.iter().enumerate() {
        let share = left / (sorted.len() - number) as u64;
        if *size > share {
            return Some(share);
        }
        left -= size;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::most_of_each;

    #[test]
    fn names_that_take_the_most_lose_until_all_take_the_total() {
        assert_eq!(most_of_each(&[], 0), None);
        assert_eq!(most_of_each(&[10, 20, 30], 60), None);
        assert_eq!(most_of_each(&[30, 10, 20], 50), Some(20));
        assert_eq!(most_of_each(&[30, 10, 20], 33), Some(11));
        assert_eq!(most_of_each(&[30, 10, 20], 29), Some(9));
        assert_eq!(most_of_each(&[u64::MAX, 1], 1_000), Some(999));
    }
}
