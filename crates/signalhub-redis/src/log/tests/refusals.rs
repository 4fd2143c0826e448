//! Redis refuses publishes, because its memory is full or its disk fails.

use signalhub_events::SharedPublishError;

use super::*;
use crate::log::simulated::{Fate, NodeLinks, SimulatedRedis, World};

#[tokio::test(start_paused = true)]
async fn an_event_that_redis_refuses_until_the_end_is_known_not_to_be_published() {
    for delay in (0..=240).step_by(12).map(Duration::from_millis) {
        let links = NodeLinks { delay, ..NodeLinks::default() };
        let world = World { nodes: vec![links], fates: vec![Fate::Refused; 1_000], ..World::default() };
        let redis = SimulatedRedis { world: Arc::new(Mutex::new(world)), changed: Arc::default(), node: 0 };
        let log = Arc::new(RedisLog::on(Arc::new(redis), LogOptions::new("a")).await.unwrap());
        let catalogue = Catalogue::new().with_unknown(UnknownEvents::Allowed);
        let broker = Broker::builder(catalogue).history(History::Shared(log.clone())).build();
        let begun = Instant::now();
        let error = broker.publish(event(1)).await.unwrap_err();
        assert_eq!(error, PublishError::Shared(SharedPublishError::Unavailable), "{delay:?}");
        assert!(begun.elapsed() >= Duration::from_millis(1_400), "it is tried again: {:?}", begun.elapsed());
        assert!(log.cluster_counts().publish_retries > 1);
    }
}
