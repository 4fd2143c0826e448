//! What is summed over all connections. The sums are shown again for a second, because each looks at every connection.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

/// For how long the sums are shown again.
const AGE: Duration = Duration::from_secs(1);

/// What is summed over all connections.
#[derive(Clone, Debug, Default)]
pub(super) struct Sums {
    pub(super) queued_bytes: usize,
    pub(super) slow: usize,
    pub(super) by_transport: BTreeMap<&'static str, usize>,
    pub(super) by_protocol: BTreeMap<&'static str, usize>,
}

/// The latest sums, which one request makes at a time.
#[derive(Debug, Default)]
pub(super) struct LatestSums(Mutex<Option<(Instant, Sums)>>);

impl LatestSums {
    /// Returns the latest sums, or makes new ones if these are too old.
    pub(super) async fn get(&self, make: impl Future<Output = Sums>) -> Sums {
        let mut latest = self.0.lock().await;
        if let Some((at, sums)) = &*latest
            && at.elapsed() < AGE
        {
            return sums.clone();
        }
        let sums = make.await;
        *latest = Some((Instant::now(), sums.clone()));
        sums
    }
}
