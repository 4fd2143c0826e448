//! A Redis server that goes away and comes back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use signalhub::backplane::{Backplane, Channel, Envelope, Receive};
use signalhub::connections::BoxFuture;
use signalhub::protocol::Protocol;
use signalhub::{Hub, SendError};
use tokio::time::Instant;

use super::super::{BackplaneOptions, RedisBackplane};
use super::support::{Client, HUB, Raw, connect, connect_to_all, soon};
use crate::link::{Instances, RedisSettings};
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
async fn no_add_to_a_group_succeeds_when_an_earlier_one_of_the_same_client_has_given_up() {
    let Some(mut redis) = TestServer::start() else { return };
    let (hub, _backplane) = connect(&redis, "one", Hub::builder()).await;
    let client = Client::connect(&hub, None, Protocol::Json).await;
    redis.kill();
    let groups = hub.groups();
    let second = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        groups.add(&client.id, "room").await
    };
    let (first, second) = tokio::join!(groups.add(&client.id, "room"), second);
    first.unwrap_err();
    second.unwrap_err();
    assert_eq!(hub.group_count(), 0);
}

#[tokio::test]
async fn a_message_for_many_users_reaches_those_whose_redis_server_answers() {
    let (Some(first), Some(second)) = (TestServer::start(), TestServer::start()) else { return };
    let servers = [&first, &second];
    let (one, _backplane) = connect_to_all(&servers, "one", Hub::builder()).await;
    let (two, _other) = connect_to_all(&servers, "two", Hub::builder()).await;
    let users: Vec<_> = (0..8).map(|number| format!("user-{number}")).collect();
    let mut clients = Vec::new();
    for user in &users {
        clients.push(Client::connect(&one, Some(user), Protocol::Json).await);
    }
    let at_second = Raw::connect(&second).await.channels().await;
    let is_at_second = |user: &str| at_second.iter().any(|channel| channel.ends_with(&format!(":{user}")));
    let count = users.iter().filter(|user| is_at_second(user)).count();
    assert!((1..8).contains(&count), "the users are shared out: {at_second:?}");
    first.hang();
    soon(two.clients().users(users.iter().map(String::as_str)).send("M", ())).await.unwrap_err();
    for (user, client) in users.iter().zip(&mut clients) {
        if is_at_second(user) {
            assert_eq!(client.next().await, MESSAGE);
        }
    }
    first.go_on();
}

/// Panics at the first message.
struct Panics(tokio::sync::mpsc::Sender<Channel>, AtomicBool);

impl Receive for Panics {
    fn receive(&self, channel: Channel, _: Envelope) -> BoxFuture<()> {
        assert!(self.1.swap(true, Ordering::Relaxed), "the first message");
        drop(self.0.try_send(channel));
        Box::pin(std::future::ready(()))
    }

    fn refuse(&self, _: &str, _: &dyn std::fmt::Display) {}
}

#[tokio::test]
async fn a_hub_listens_again_after_a_message_whose_handling_panics() {
    let Some(redis) = TestServer::start() else { return };
    let (hub, _backplane) = connect(&redis, "one", Hub::builder()).await;
    let settings =
        RedisSettings { addresses: vec![redis.url().parse().unwrap()], username: None, password: None, tls_ca: None };
    let backplane = RedisBackplane::new(Instances::start(&settings).unwrap(), BackplaneOptions::new(HUB));
    let (sender, mut received) = tokio::sync::mpsc::channel(64);
    backplane.start(Arc::new(Panics(sender, AtomicBool::new(false))));
    soon(backplane.connected()).await;
    let before = crate::watched::panics();
    let sending = async {
        loop {
            hub.clients().all().send("M", ()).await.unwrap();
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let channel = soon(async {
        tokio::select! { channel = received.recv() => channel, () = sending => None }
    })
    .await;
    assert_eq!(channel, Some(Channel::All));
    assert!(crate::watched::panics() > before);
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

#[tokio::test]
async fn a_redis_server_that_hangs_stops_only_the_channels_that_it_has() {
    let (Some(first), Some(second)) = (TestServer::start(), TestServer::start()) else { return };
    let servers = [&first, &second];
    let (one, backplane) = connect_to_all(&servers, "one", Hub::builder()).await;
    let (two, other) = connect_to_all(&servers, "two", Hub::builder()).await;
    let mut client = Client::connect(&one, Some("ann"), Protocol::Json).await;
    let rooms: Vec<_> = (0..8).map(|number| format!("room-{number}")).collect();
    for room in &rooms {
        one.groups().add(&client.id, room).await.unwrap();
        two.clients().group(room).send("M", ()).await.unwrap();
        assert_eq!(client.next().await, MESSAGE);
    }
    let of_second = Raw::connect(&second).await.channels().await;
    let is_at_second = |room: &&String| of_second.iter().any(|channel| channel.ends_with(&format!(":{room}")));
    let (hanging, working): (Vec<&String>, Vec<&String>) = rooms.iter().partition(is_at_second);
    assert!(!hanging.is_empty() && !working.is_empty(), "the channels are shared out: {of_second:?}");

    second.hang();
    let begun = Instant::now();
    for _ in 0..2 {
        let error = soon(two.clients().group(hanging[0]).send("M", ())).await.unwrap_err();
        assert!(matches!(error, SendError::Unreachable), "{error}");
        for room in &working {
            soon(two.clients().group(room).send("M", ())).await.unwrap();
            assert_eq!(client.next().await, MESSAGE);
        }
    }
    // Longer than everything that a node waits for.
    tokio::time::sleep_until(begun + Duration::from_secs(12)).await;
    second.go_on();
    soon(async { tokio::join!(backplane.connected(), other.connected()) }).await;
    // What was sent before may have been published after all.
    soon(async { while two.clients().group(hanging[0]).send("again", ()).await.is_err() {} }).await;
    soon(async { while !client.next().await.windows(5).any(|part| part == b"again") {} }).await;
    for room in hanging.iter().chain(&working) {
        soon(two.clients().group(room).send("M", ())).await.unwrap();
        assert_eq!(client.next().await, MESSAGE);
    }
}
