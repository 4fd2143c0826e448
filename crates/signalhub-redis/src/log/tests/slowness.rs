//! What is slow: replicas, the disk of the server, and the network between.

use std::time::Duration;

use signalhub_events::Durability;
use tokio::task::JoinSet;

use super::proxy::Proxy;
use super::*;

#[tokio::test]
async fn publishes_that_wait_for_a_missing_replica_hold_nothing_up() {
    let Some(server) = TestServer::start() else { return };
    let mut options = LogOptions::new("a");
    options.replicas = 1;
    let node = Node::with(&[server.url()], options).await;
    let mut publishers = JoinSet::new();
    for publisher in 0..64 {
        let broker = node.broker.clone();
        publishers.spawn(async move {
            for number in 0..3 {
                let published =
                    broker.publish_with(event(publisher + number), PublishOptions::default()).await.unwrap();
                // A machine that does much else may lose the connection. Then the number is not known.
                let replicas = published.cluster.and_then(|cluster| cluster.replicas);
                assert!(matches!(replicas, Some(0) | None), "{replicas:?}");
            }
        });
    }
    let mut pings = Vec::new();
    while !publishers.is_empty() {
        let asked = Instant::now();
        if let Ok(mut connection) = node.instances.all()[0].commands() {
            let _: Result<String, _> = redis::cmd("PING").query_async(&mut connection).await;
        }
        pings.push(asked.elapsed());
        while let Some(ended) = publishers.try_join_next() {
            ended.unwrap();
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    pings.sort();
    let most = pings[pings.len() * 3 / 4];
    assert!(most < Duration::from_millis(100), "commands of others took {most:?}");
    node.ledger.wait_for_events(64 * 3).await;
}

#[tokio::test]
async fn a_node_behind_a_slow_network_catches_up() {
    let Some(server) = TestServer::start() else { return };
    let proxy = Proxy::start(&server, 1_000_000).await;
    let writer = Node::start(&server, "a").await;
    let reader = Node::with(&[proxy.url()], LogOptions::new("b")).await;
    let others = EventName::new("shop.other");
    writer.publish(0).await;
    reader.ledger.wait_for_events(1).await;
    proxy.cut();
    let payload = format!("{{\"text\":\"{}\"}}", "x".repeat(60_000));
    for number in 0..80 {
        let name = if number % 2 == 0 { name() } else { others.clone() };
        writer.broker.publish(Event::new(name, payload.clone())).await.unwrap();
    }
    proxy.mend();
    // 4.8 MB take more than 4 s.
    let events = reader.ledger.wait_for_events(41).await;
    assert_eq!(events.last().unwrap().0.offset(), 41);
    let both = async {
        while reader.broker.bounds(&others).top < 40 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(LONG, both).await.unwrap();
    assert_eq!(reader.ledger.gaps(), []);
    reader.ledger.check();
}

#[tokio::test]
async fn an_event_is_called_durable_only_if_it_is_on_the_disk() {
    let Some(server) = TestServer::start() else { return };
    let proxy = Proxy::start(&server, 1_000_000_000).await;
    let nodes = [
        Node::with(&[proxy.url()], LogOptions::new("a")).await,
        Node::with(&[proxy.url()], LogOptions::new("b")).await,
    ];
    assert!(nodes[0].broker.is_durable());
    let durable = |key| PublishOptions { durability: Durability::Durable, ..keyed(key, 7) };
    let publish = async |node: usize, key| nodes[node].broker.publish_with(event(1), durable(key)).await;
    let first = publish(0, 1).await.unwrap().receipt;
    let there = publish(1, 1).await.unwrap().receipt;
    assert_eq!((there.id, there.repeat), (first.id, Repeat::Yes));
    proxy.lose_disk();
    let unknown = PublishError::Shared(SharedPublishError::Unknown);
    assert_eq!(publish(0, 2).await.unwrap_err(), unknown, "its event has come back, and is not on the disk");
    assert_eq!(publish(0, 2).await.unwrap_err(), unknown, "a repeat at its node");
    assert_eq!(publish(1, 2).await.unwrap_err(), unknown, "a repeat at another node");
    assert_eq!(publish(0, 1).await.unwrap_err(), unknown, "a repeat of one that the node has answered");
    nodes[1].broker.publish_with(event(1), keyed(2, 7)).await.unwrap();
    nodes[1].ledger.wait_for_events(2).await;
    nodes[1].ledger.check();
}

#[tokio::test]
async fn a_channel_of_counts_that_hangs_is_opened_again() {
    let Some(server) = TestServer::start() else { return };
    let proxy = Proxy::start(&server, 1_000_000_000).await;
    let _node = Node::with(&[proxy.url()], LogOptions::new("a")).await;
    let direct = instances(&[server.url()]).await;
    let connection = direct.all()[0].commands().unwrap();
    let subscribed = async |count: u64| {
        let mut command = redis::cmd("PUBSUB");
        command.arg("NUMSUB").arg(Keys::new("signalhub:").answers("a"));
        let until = async {
            loop {
                let (_, found): (String, u64) = command.query_async(&mut connection.clone()).await.unwrap();
                if found == count {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(LONG, until).await.unwrap();
    };
    subscribed(1).await;
    proxy.freeze();
    // The server still has the connection that hangs.
    subscribed(2).await;
}
