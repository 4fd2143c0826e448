//! A Redis server that goes away and comes back.

use std::time::Duration;

use signalhub::protocol::Protocol;
use signalhub::{Hub, SendError};
use tokio::time::Instant;

use super::support::{Client, Raw, connect, soon};
use crate::test_server::TestServer;

const MESSAGE: &str = "{\"type\":1,\"target\":\"M\",\"arguments\":[]}\u{1e}";

#[tokio::test]
async fn clients_outlive_a_redis_server_that_is_killed_and_started_again() {
    let Some(mut redis) = TestServer::start() else { return };
    let (one, _) = connect(&redis, "one", Hub::builder()).await;
    let (two, backplane) = connect(&redis, "two", Hub::builder()).await;
    let mut stays = Client::connect(&one, Some("ann"), Protocol::Json).await;
    let mut leaves = Client::connect(&two, Some("bob"), Protocol::Json).await;
    two.groups().add(&leaves.id, "left").await.unwrap();
    one.groups().add(&stays.id, "room").await.unwrap();
    redis.kill();

    let begun = Instant::now();
    let error = two.clients().group("room").send("M", ()).await.unwrap_err();
    assert!(matches!(error, SendError::Unreachable), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(10));
    one.clients().client(&stays.id).send("M", ()).await.unwrap();
    assert_eq!(stays.next().await, MESSAGE);
    // A channel that is confirmed already can be joined, another one cannot.
    let mut late = Client::connect(&one, Some("ann"), Protocol::Json).await;
    one.groups().add(&late.id, "room").await.unwrap();
    one.groups().add(&late.id, "new").await.unwrap_err();
    leaves.vanish();
    soon(async {
        while two.client_count() > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;

    redis.restart();
    soon(backplane.connected()).await;
    let raw = Raw::connect(&redis).await;
    // Four of each server, of which two are the same, two connections, their user and their group.
    let channels = raw.has_channels(6 + 2 + 1 + 1).await;
    assert!(!channels.iter().any(|name| name.ends_with(":left") || name.ends_with(":bob")), "{channels:?}");
    soon(two.clients().group("room").send("M", ())).await.unwrap();
    assert_eq!(stays.next().await, MESSAGE);
    assert_eq!(late.next().await, MESSAGE);
}

#[tokio::test]
async fn messages_wait_for_a_redis_server_that_is_back_in_time() {
    let Some(mut redis) = TestServer::start() else { return };
    let (hub, backplane) = connect(&redis, "one", Hub::builder()).await;
    let mut client = Client::connect(&hub, None, Protocol::Json).await;
    for kind in ["normal", "pubsub"] {
        let kill = redis::Client::open(redis.url()).unwrap();
        let mut kill = kill.get_multiplexed_async_connection().await.unwrap();
        let killed: Result<i64, _> = redis::cmd("CLIENT")
            .arg("KILL")
            .arg("TYPE")
            .arg(kind)
            .arg("SKIPME")
            .arg("yes")
            .query_async(&mut kill)
            .await;
        assert!(killed.unwrap() > 0);
        // Only a message that is on its way when its connection is killed may be lost, and then its send fails.
        soon(async { while hub.clients().all().send("M", ()).await.is_err() {} }).await;
        if kind == "normal" {
            assert_eq!(client.next().await, MESSAGE);
        }
    }
    soon(backplane.connected()).await;
    redis.kill();
    redis.restart();
    soon(async { while hub.clients().all().send("again", ()).await.is_err() {} }).await;
    soon(async { while !client.next().await.windows(5).any(|part| part == b"again") {} }).await;
}
