//! Brokers over a real Redis server.

mod foreign;
mod ledger;
mod model;
mod proxy;
mod refusals;
mod seed;
mod server_faults;
mod simulation;
mod slowness;

use std::sync::Arc;
use std::time::Duration;

use signalhub_events::{
    Broker, Catalogue, ClusterMatches, Event, EventName, Filter, Fingerprint, GapReason, History, Idempotency,
    IdempotencyKey, Position, PublishError, PublishOptions, Reach, Repeat, Resources, Scope, Subscriptions, Tracking,
    UnknownEvents,
};
use tokio::time::{Instant, timeout};

use self::ledger::Ledger;
use super::*;
use crate::link::RedisSettings;
use crate::test_server::TestServer;

/// Longer than anything takes on a machine that does much else.
const LONG: Duration = Duration::from_secs(30);

/// Events that the nodes declare, beside any others.
const DECLARED: &str = "shop.declared";
const OTHER_DECLARED: &str = "shop.declared.too";

/// A node of a cluster, with one client that wants all events of one name.
struct Node {
    broker: Broker,
    log: Arc<RedisLog>,
    instances: Instances,
    ledger: Ledger,
    _subscriptions: Subscriptions,
}

fn name() -> EventName {
    EventName::new("shop.changed")
}

fn event(number: usize) -> Event {
    Event::new(name(), format!("{{\"number\":{number}}}"))
}

fn keyed(key: u8, fingerprint: u64) -> PublishOptions {
    let (key, fingerprint) = (IdempotencyKey::new([key; 16]), Fingerprint::new(fingerprint));
    PublishOptions { idempotency: Some(Idempotency { key, fingerprint }), ..PublishOptions::default() }
}

async fn instances(urls: &[String]) -> Instances {
    let addresses = urls.iter().map(|url| url.parse().unwrap()).collect();
    let settings = RedisSettings { addresses, username: None, password: None, tls_ca: None };
    let instances = Instances::start(&settings).unwrap();
    instances.reached(LONG).await.unwrap();
    instances
}

impl Node {
    async fn start(server: &TestServer, node: &str) -> Self {
        Self::with(&[server.url()], LogOptions::new(node)).await
    }

    async fn with(urls: &[String], options: LogOptions) -> Self {
        let instances = instances(urls).await;
        let node = options.node.to_string();
        let log = Arc::new(RedisLog::connect(&instances, options).await.unwrap());
        let declared = [DECLARED, OTHER_DECLARED].into_iter();
        let catalogue = Catalogue::new().with_unknown(UnknownEvents::Allowed);
        let catalogue = declared.fold(catalogue, |all, name| all.with_event(name.into(), Resources::Without));
        let broker = Broker::builder(catalogue).node(node).shards(2).history(History::Shared(log.clone())).build();
        let ledger = Ledger::default();
        let mut subscriptions = broker.attach(ledger.clone(), Scope::unrestricted());
        subscriptions.add(&Filter::new(name())).unwrap();
        for instance in instances.all() {
            timeout(LONG, instance.connected(Link::Reader)).await.unwrap();
        }
        Self { broker, log, instances, ledger, _subscriptions: subscriptions }
    }

    async fn publish(&self, number: usize) -> Position {
        self.broker.publish(event(number)).await.unwrap().position
    }

    /// Publishes until it succeeds, as a publisher does that repeats with a key.
    async fn publish_surely(&self, number: usize) -> Position {
        let options = keyed(u8::try_from(number % 256).unwrap(), number as u64);
        loop {
            match self.broker.publish_with(event(number), options).await {
                Ok(published) => return published.receipt.position,
                Err(PublishError::Shared(_)) => {}
                Err(error) => panic!("{error}"),
            }
        }
    }
}

#[tokio::test]
async fn every_node_has_the_events_of_all_in_one_order() {
    let Some(server) = TestServer::start() else { return };
    let nodes = [Node::start(&server, "a").await, Node::start(&server, "b").await];
    let publishing = |node: &Node| {
        let broker = node.broker.clone();
        async move {
            for number in 0..200 {
                let receipt = broker.publish(event(number)).await.unwrap();
                assert_eq!(receipt.matched, 1, "its own client");
            }
        }
    };
    tokio::join!(publishing(&nodes[0]), publishing(&nodes[1]));
    let first = nodes[0].ledger.wait_for_events(400).await;
    let second = nodes[1].ledger.wait_for_events(400).await;
    assert_eq!(first, second);
    nodes[0].ledger.check();
    let counts = nodes[1].log.cluster_counts();
    assert_eq!((counts.read_events, counts.forks, counts.gaps), (400, 0, 0));
    assert_eq!((nodes[1].broker.published_count(), nodes[1].broker.matched_count()), (200, 400));
}

#[tokio::test]
async fn a_node_that_starts_later_continues_and_reads_what_was_before() {
    let Some(server) = TestServer::start() else { return };
    let first = Node::start(&server, "a").await;
    for number in 0..30 {
        first.publish(number).await;
    }
    let second = Node::start(&server, "b").await;
    let bounds = second.broker.bounds(&name());
    assert_eq!((bounds.first, bounds.top), (Some(1), 30));
    assert_eq!(bounds.epoch, first.broker.bounds(&name()).epoch);
    let from = Position::new(bounds.epoch, 10);
    let page = second.broker.read(&name(), from, 15).await.unwrap();
    assert_eq!((page.events.len(), page.events[0].0, page.through, page.first), (15, 11, 25, 1));
    let there = first.broker.read(&name(), from, 15).await.unwrap();
    assert_eq!(page.events[3].1.id, there.events[3].1.id);
    assert_eq!(page.events[3].1.node.as_deref(), Some("a"));
    assert_eq!(page.events[3].1.created, there.events[3].1.created);
    assert_eq!(second.publish(30).await, Position::new(bounds.epoch, 31));
    assert_eq!(second.ledger.wait_for_events(1).await[0].0.offset(), 31);
}

#[tokio::test]
async fn a_repeat_at_another_node_gets_the_first_receipt() {
    let Some(server) = TestServer::start() else { return };
    let nodes = [Node::start(&server, "a").await, Node::start(&server, "b").await];
    let first = nodes[0].broker.publish_with(event(1), keyed(1, 7)).await.unwrap().receipt;
    let repeat = nodes[1].broker.publish_with(event(1), keyed(1, 7)).await.unwrap().receipt;
    assert_eq!((repeat.id, repeat.position, repeat.repeat), (first.id, first.position, Repeat::Yes));
    let reused = nodes[1].broker.publish_with(event(2), keyed(1, 8)).await.unwrap_err();
    assert_eq!(reused, PublishError::KeyReused);
    nodes[1].publish(3).await;
    assert_eq!(nodes[0].ledger.wait_for_events(2).await.len(), 2);
}

#[tokio::test]
async fn all_nodes_count_the_subscribers_of_an_event() {
    let Some(server) = TestServer::start() else { return };
    let nodes = [Node::start(&server, "a").await, Node::start(&server, "b").await];
    nodes[0].log.expect_nodes(2);
    let options = |tracking| PublishOptions { reach: Reach::Cluster(LONG), tracking, ..PublishOptions::default() };
    let ask = async |tracking| {
        let published = nodes[0].broker.publish_with(event(1), options(tracking)).await.unwrap();
        assert_eq!(published.receipt.matched, 1);
        published.cluster.unwrap().counts.unwrap().await
    };
    // The node may not be subscribed to the answers yet.
    let channel = Keys::new("signalhub:").answers("a");
    let instance = &nodes[0].instances.all()[0];
    loop {
        let mut connection = instance.commands().unwrap();
        let (_, subscribers): (String, u64) =
            redis::cmd("PUBSUB").arg("NUMSUB").arg(&channel).query_async(&mut connection).await.unwrap();
        if subscribers > 0 {
            break;
        }
    }
    let matched: ClusterMatches = ask(Tracking::Off).await;
    assert_eq!((matched.matched, matched.answered, matched.expected, matched.delivered), (2, 2, 2, None));
    let delivered = ask(Tracking::On).await.delivered.unwrap();
    assert_eq!((delivered.written, delivered.ended, delivered.waiting), (2, 0, 0));
    nodes[0].log.expect_nodes(3);
    let options = PublishOptions { reach: Reach::Cluster(Duration::from_millis(500)), ..PublishOptions::default() };
    let published = nodes[0].broker.publish_with(event(1), options).await.unwrap();
    let matched = published.cluster.unwrap().counts.unwrap().await;
    assert_eq!((matched.answered, matched.expected), (2, 3), "one does not answer in time");
}

#[tokio::test]
async fn a_name_has_one_position_at_all_nodes_before_its_first_event_and_none_is_missing_behind_it() {
    let (Some(first), Some(second)) = (TestServer::start(), TestServer::start()) else { return };
    let urls = [first.url(), second.url()];
    let nodes = [Node::with(&urls, LogOptions::new("a")).await, Node::with(&urls, LogOptions::new("b")).await];
    let names: Vec<_> = (0..8).map(|number| EventName::new(format!("shop.{number}"))).collect();
    let position = |node: &Node, name| node.broker.bounds(name).position();
    let before: Vec<_> = names.iter().map(|name| position(&nodes[0], name)).collect();
    for (name, before) in names.iter().zip(&before) {
        assert_eq!((position(&nodes[1], name), before.offset()), (*before, 0));
        let published = nodes[0].broker.publish(Event::new(name.clone(), "{}")).await.unwrap().position;
        assert_eq!(published, Position::new(before.epoch(), 1));
        timeout(LONG, async {
            while position(&nodes[1], name).offset() == 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await
        .unwrap();
        assert_eq!(nodes[1].broker.read(name, *before, 10).await.unwrap().events.len(), 1);
    }
}

#[tokio::test]
async fn names_are_shared_out_among_servers() {
    let (Some(first), Some(second)) = (TestServer::start(), TestServer::start()) else { return };
    let urls = [first.url(), second.url()];
    let nodes = [Node::with(&urls, LogOptions::new("a")).await, Node::with(&urls, LogOptions::new("b")).await];
    let mut used = [false; 2];
    let mut expected = 0;
    for number in 0..32 {
        let name = EventName::new(format!("shop.{number}"));
        used[nodes[0].instances.number_of(name.as_str().as_bytes())] = true;
        let position = nodes[number % 2].broker.publish(Event::new(name, "{}")).await.unwrap().position;
        assert_eq!(position.offset(), 1);
        expected += 1;
    }
    assert_eq!(used, [true; 2]);
    for node in &nodes {
        timeout(LONG, async {
            while node.log.cluster_counts().read_events < expected {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await
        .unwrap();
    }
}

/// Publishes an event of a name without anything in it.
async fn publish(node: &Node, name: &str) -> Result<Position, PublishError> {
    node.broker.publish(Event::new(name.into(), "{}")).await.map(|receipt| receipt.position)
}

#[tokio::test]
async fn further_undeclared_names_than_are_permitted_are_refused_and_declared_ones_are_not() {
    let Some(server) = TestServer::start() else { return };
    let mut options = LogOptions::new("a");
    options.names = 2;
    let node = Node::with(&[server.url()], options.clone()).await;
    for name in ["shop.1", DECLARED, "shop.2"] {
        publish(&node, name).await.unwrap();
        while node.log.inner.bounds(&name.into()).is_none() {
            tokio::task::yield_now().await;
        }
    }
    let too_many = PublishError::Shared(SharedPublishError::TooManyNames);
    assert_eq!(publish(&node, "shop.3").await.unwrap_err(), too_many);
    publish(&node, "shop.1").await.unwrap();
    publish(&node, OTHER_DECLARED).await.unwrap();
    let later = Node::with(&[server.url()], LogOptions { node: "b".into(), ..options }).await;
    assert_eq!(publish(&later, "shop.3").await.unwrap_err(), too_many, "a node that starts later counts the same");
    publish(&later, DECLARED).await.unwrap();
}

#[tokio::test]
async fn old_events_are_removed_by_one_node() {
    let Some(server) = TestServer::start() else { return };
    let mut options = LogOptions::new("a");
    options.limits.age = Duration::from_secs(60);
    let node = Node::with(&[server.url()], options).await;
    let hour_ago = time::OffsetDateTime::now_utc() - Duration::from_secs(3_600);
    // Redis removes whole blocks of entries.
    for number in 0..250 {
        node.broker.publish(event(number).with_created(hour_ago)).await.unwrap();
    }
    for number in 250..260 {
        node.publish(number).await;
    }
    let shard = &node.log.inner.shards[0];
    assert!(shard.streams.claims_trim().await.unwrap());
    assert!(!shard.streams.claims_trim().await.unwrap(), "another node does it in this minute");
    node.log.inner.trim(shard).await.unwrap();
    let epoch = node.broker.bounds(&name()).epoch;
    let range = shard.streams.range(&name(), 0, 1_000, 1_000).await.unwrap();
    let first = range.first.unwrap();
    assert!((200..=251).contains(&first), "{first}");
    assert_eq!(range.entries.len() as u64, 261 - first, "none that is young is removed");
    assert_eq!(node.broker.read(&name(), Position::new(epoch, 255), 10).await.unwrap().events.len(), 5);
    let gone = node.broker.read(&name(), Position::new(epoch, 1), 10).await.unwrap();
    assert!(gone.first > 2, "a replay tells the gap");
}

#[tokio::test]
async fn answers_that_no_node_has_sent_change_no_more_than_the_counts_of_a_receipt() {
    let Some(server) = TestServer::start() else { return };
    let node = Node::start(&server, "a").await;
    node.log.expect_nodes(5);
    let options = PublishOptions { reach: Reach::Cluster(LONG), tracking: Tracking::On, ..PublishOptions::default() };
    let published = node.broker.publish_with(event(1), options).await.unwrap();
    let counts = published.cluster.unwrap().counts.unwrap();
    let largest = [&[0xd3][..], &i64::MAX.to_be_bytes()].concat();
    let answer = |number: u8, node: u8| {
        let delivered = [&[0xc4, 27][..], &largest, &largest, &largest].concat();
        [&[0x94, number, 0xa1, node][..], &largest, &delivered].concat()
    };
    let negative = [0x94, 1, 0xa1, b'n', 0xff, 0xc0];
    let unreadable: [&[u8]; 5] = [b"", b"\xc1", b"\x93\x01\x02\x03", b"\xdd\xff\xff\xff\xff", &negative];
    let mut answers: Vec<Vec<u8>> = unreadable.iter().map(|bytes| bytes.to_vec()).collect();
    // For a publish that there is not, twice of one node, and of three others.
    answers.extend([
        answer(9, b'v'),
        answer(1, b'w'),
        answer(1, b'w'),
        answer(1, b'x'),
        answer(1, b'y'),
        answer(1, b'z'),
    ]);
    let channel = Keys::new("signalhub:").answers("a");
    let connection = node.instances.all()[0].commands().unwrap();
    for answer in answers {
        // The node may not be subscribed yet.
        let publish = async {
            loop {
                let mut command = redis::cmd("PUBLISH");
                let receivers: u64 =
                    command.arg(&channel).arg(&answer).query_async(&mut connection.clone()).await.unwrap();
                if receivers > 0 {
                    return;
                }
            }
        };
        timeout(LONG, publish).await.unwrap();
    }
    let matches = timeout(LONG, counts).await.unwrap();
    let most = u64::from(u32::MAX);
    assert_eq!((matches.answered, matches.expected, matches.matched), (5, 5, 1 + 4 * most));
    assert_eq!(matches.delivered.unwrap().written as u64, 1 + 4 * most);
    assert_eq!(node.broker.publish_with(event(2), options).await.unwrap().receipt.matched, 1);
}

#[tokio::test]
async fn names_that_take_too_much_memory_lose_their_oldest_events() {
    let Some(server) = TestServer::start() else { return };
    let mut options = LogOptions::new("a");
    options.limits.bytes = 1 << 20;
    options.total_bytes = 3 << 19;
    let node = Node::with(&[server.url()], options).await;
    let payload = format!("{{\"number\":\"{}\"}}", "x".repeat(10_000));
    let names = [("shop.1", 200), ("shop.2", 200), ("shop.3", 10)].map(|(name, count)| (EventName::new(name), count));
    for (name, count) in &names {
        for _ in 0..*count {
            node.broker.publish(Event::new(name.clone(), payload.clone())).await.unwrap();
        }
    }
    let shard = &node.log.inner.shards[0];
    node.log.inner.trim(shard).await.unwrap();
    let mut kept = Vec::new();
    for (name, count) in &names {
        let range = shard.streams.range(name, 0, 1_000, 1_000).await.unwrap();
        assert_eq!(range.entries.last().unwrap().offset, *count, "the latest ones stay");
        kept.push(range.entries.len());
    }
    // About 1.4 MiB are left for two names, after 0.1 MiB of the third.
    assert!((50..80).contains(&kept[0]) && (50..80).contains(&kept[1]), "{kept:?}");
    assert_eq!(kept[2], 10);
    let counts = node.broker.history_counts();
    assert!(counts.trimmed_by_bytes >= 2 * 90 && counts.trimmed_by_total >= 2 * 10, "{counts:?}");
}

#[tokio::test]
async fn a_publish_waits_for_replicas_that_are_missing_and_succeeds() {
    let Some(server) = TestServer::start() else { return };
    let mut options = LogOptions::new("a");
    options.replicas = 1;
    let node = Node::with(&[server.url()], options).await;
    for _ in 0..2 {
        let published = node.broker.publish_with(event(1), PublishOptions::default()).await.unwrap();
        assert_eq!(published.cluster.unwrap().replicas, Some(0));
    }
    assert!(!node.broker.is_durable(), "this server cannot wait for its disk");
}
