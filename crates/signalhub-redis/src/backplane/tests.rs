//! The backplane on a real Redis server.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod outages;
mod replay;
mod support;
mod unexpected;

use signalhub::protocol::Protocol;
use signalhub::{Clients, ConnectionId, Hub, HubError, Target};

use self::support::{Client, HUB, Raw, connect, connect_as, soon};
use crate::test_server::TestServer;

async fn ask(clients: Clients, signalhub::Args((id,)): signalhub::Args<(ConnectionId,)>) -> Result<i32, HubError> {
    Ok(clients.client(&id).invoke::<i32>("Age", ()).await?)
}

/// Expects the message `M` this number of times and then the end, which is sent to all after it.
async fn expect_messages(name: &str, hub: &Hub, clients: &mut [Client], times: [usize; 4]) {
    hub.clients().all().send("end", ()).await.unwrap();
    for (index, (client, times)) in clients.iter_mut().zip(times).enumerate() {
        let mut received = 0;
        while !client.next().await.windows(3).any(|part| part == b"end") {
            received += 1;
        }
        assert_eq!(received, times, "{name}, client {index}");
    }
}

#[tokio::test]
async fn two_servers_share_clients_groups_users_and_results() {
    type Choose = fn(&Clients, &[ConnectionId]) -> Target;
    let Some(redis) = TestServer::start() else { return };
    let (one, _) = connect(&redis, "one", Hub::builder().method("Ask", ask)).await;
    let (two, _) = connect(&redis, "two", Hub::builder().method("Ask", ask)).await;
    let hubs = [one, two];
    let mut clients = Vec::new();
    for hub in &hubs {
        for (user, protocol) in [("ann", Protocol::Json), ("bob", Protocol::MessagePack)] {
            clients.push(Client::connect(hub, Some(user), protocol).await);
        }
    }
    let ids: Vec<_> = clients.iter().map(|client| client.id.clone()).collect();
    // Each server adds a client of its own and one of the other server.
    hubs[0].groups().add(&ids[1], "room").await.unwrap();
    hubs[0].groups().add(&ids[3], "room").await.unwrap();
    hubs[1].groups().add(&ids[0], "hall:ü").await.unwrap();
    let rows: [(&str, Choose, [usize; 4]); 9] = [
        ("all", |to, _| to.all(), [1, 1, 1, 1]),
        ("all except", |to, ids| to.all().except(&ids[0]).except(&ids[3]), [0, 1, 1, 0]),
        ("clients", |to, ids| to.clients([&ids[0], &ids[2]]), [1, 0, 1, 0]),
        ("group", |to, _| to.group("room"), [0, 1, 0, 1]),
        ("group except", |to, ids| to.group("room").except(&ids[3]), [0, 1, 0, 0]),
        ("groups", |to, _| to.groups(["room", "hall:ü"]), [1, 1, 0, 1]),
        ("user", |to, _| to.user("ann"), [1, 0, 1, 0]),
        ("users", |to, _| to.users(["ann", "bob"]), [1, 1, 1, 1]),
        ("unknown user", |to, _| to.user("unknown"), [0, 0, 0, 0]),
    ];
    for (name, target, times) in rows {
        for hub in &hubs {
            target(&hub.clients(), &ids).send("M", ()).await.unwrap();
            expect_messages(name, hub, &mut clients, times).await;
        }
    }
    for (asking, answering) in [(0, 2), (0, 3), (2, 0), (2, 1)] {
        let call = format!(
            "{{\"type\":1,\"invocationId\":\"1\",\"target\":\"Ask\",\"arguments\":[\"{}\"]}}\u{1e}",
            ids[answering]
        );
        clients[asking].peer.send(call);
        let question = clients[answering].next().await;
        let is_json = answering % 2 == 0;
        let answer = match is_json {
            true => {
                let question: serde_json::Value = serde_json::from_slice(&question[..question.len() - 1]).unwrap();
                format!("{{\"type\":3,\"invocationId\":{},\"result\":7}}\u{1e}", question["invocationId"]).into_bytes()
            }
            false => {
                // [1, {}, id, "Age", [], []] behind its length
                let id = &question[4..27];
                [&b"\x1c\x95\x03\x80"[..], id, &b"\x03\x07"[..]].concat()
            }
        };
        clients[answering].peer.send(answer);
        assert_eq!(clients[asking].next().await, "{\"type\":3,\"invocationId\":\"1\",\"result\":7}\u{1e}");
    }
    hubs[1].groups().remove(&ids[0], "hall:ü").await.unwrap();
    hubs[0].groups().remove(&ids[3], "room").await.unwrap();
    hubs[1].clients().groups(["room", "hall:ü"]).send("M", ()).await.unwrap();
    expect_messages("removed", &hubs[1], &mut clients, [0, 1, 0, 0]).await;
}

#[tokio::test]
async fn a_thousand_clients_that_joined_groups_and_left_leave_the_four_channels_of_the_server() {
    let Some(redis) = TestServer::start() else { return };
    let (hub, _backplane) = connect(&redis, "one", Hub::builder()).await;
    let raw = Raw::connect(&redis).await;
    let own = raw.has_channels(4).await;
    assert!(own.iter().all(|name| name == "Demo.ChatHub:all" || name.starts_with("Demo.ChatHub:internal:")), "{own:?}");
    for _ in 0..10 {
        let mut clients = Vec::new();
        for number in 0..100 {
            let client = Client::connect(&hub, Some(&format!("user {number}")), Protocol::Json).await;
            hub.groups().add(&client.id, &format!("group {}", number % 10)).await.unwrap();
            clients.push(client);
        }
        // Of each client its connection and its user, and ten groups.
        assert_eq!(raw.channels().await.len(), 4 + 200 + 10);
        clients.iter_mut().for_each(Client::vanish);
        assert_eq!(raw.has_channels(4).await, own);
    }
    drop(hub);
    drop(_backplane);
    raw.has_channels(0).await;
}

#[tokio::test]
async fn the_documented_user_of_redis_may_use_all_channels_of_a_hub() {
    let Some(redis) = TestServer::for_documented_user() else { return };
    let (one, _) = connect_as(&redis, "Signalhub.MainHub", Hub::builder()).await;
    let (two, _) = connect_as(&redis, "Signalhub.MainHub", Hub::builder()).await;
    let mut client = Client::connect(&two, Some("ann"), Protocol::Json).await;
    one.groups().add(&client.id, "room").await.unwrap();
    let to = one.clients();
    for target in [to.all(), to.group("room"), to.user("ann"), to.clients([&client.id])] {
        target.send("M", ()).await.unwrap();
        assert_eq!(client.next().await, "{\"type\":1,\"target\":\"M\",\"arguments\":[]}\u{1e}");
    }
    one.groups().remove(&client.id, "room").await.unwrap();
}

#[tokio::test]
async fn a_prefix_keeps_clusters_apart() {
    use super::{BackplaneOptions, RedisBackplane};
    use crate::link::{Instances, RedisSettings};
    use std::sync::Arc;
    let Some(redis) = TestServer::start() else { return };
    let addresses = vec![redis.url().parse().unwrap()];
    let settings = RedisSettings { addresses, username: None, password: None, tls_ca: None };
    let mut hubs = Vec::new();
    for prefix in ["", "app1:", "app1:"] {
        let options = BackplaneOptions { channel_prefix: prefix.to_owned(), ..BackplaneOptions::new(HUB) };
        let backplane = RedisBackplane::new(Instances::start(&settings).unwrap(), options);
        hubs.push(Hub::builder().backplane(Arc::clone(&backplane) as _).build());
        soon(backplane.connected()).await;
    }
    let mut client = Client::connect(&hubs[2], Some("ann"), Protocol::Json).await;
    hubs[0].clients().user("ann").send("Other", ()).await.unwrap();
    hubs[1].clients().user("ann").send("M", ()).await.unwrap();
    assert_eq!(client.next().await, "{\"type\":1,\"target\":\"M\",\"arguments\":[]}\u{1e}");
}
