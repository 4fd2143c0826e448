use std::time::Duration;

use signalhub_dialects::printfactory::{KeyChange, KeysError, MisKey, MisKeys};

use super::*;
use crate::link::{Link, RedisSettings};
use crate::test_server::TestServer;

/// The keys as one node has them.
struct TestNode {
    keys: MisKeys,
    instances: Instances,
}

async fn node(server: &TestServer) -> TestNode {
    let addresses = vec![server.url().parse().unwrap()];
    let settings = RedisSettings { addresses, username: None, password: None, tls_ca: None };
    let instances = Instances::start(&settings).unwrap();
    instances.reached(Duration::from_secs(10)).await.unwrap();
    let store = Arc::new(RedisMisKeys::new(&instances, "p:"));
    TestNode { keys: MisKeys::open_shared(store).await.unwrap(), instances }
}

impl TestNode {
    async fn change(&self, user: &str, change: KeyChange) -> Result<Option<MisKey>, KeysError> {
        self.keys.change("acme", user, change).await
    }

    async fn users(&self) -> Vec<String> {
        self.keys.list().await.unwrap().iter().map(|key| key.user.to_string()).collect()
    }

    async fn command<T: FromRedisValue>(&self, name: &str, arguments: &[&[u8]]) -> T {
        let mut command = redis::cmd(name);
        command.arg("p:miskeys");
        for argument in arguments {
            command.arg(*argument);
        }
        command.query_async(&mut self.instances.all()[0].commands().unwrap()).await.unwrap()
    }

    /// Waits until Redis has a value again that it had before.
    async fn restored(&self, value: &[u8]) {
        let waiting = async {
            loop {
                let Ok(mut connection) = self.instances.all()[0].commands() else {
                    self.instances.all()[0].connected(Link::Commands).await;
                    continue;
                };
                let found = redis::cmd("GET").arg("p:miskeys").query_async::<Option<Vec<u8>>>(&mut connection).await;
                if found.is_ok_and(|found| found.as_deref() == Some(value)) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), waiting).await.expect("the keys are written again");
    }
}

#[tokio::test]
async fn changes_of_several_nodes_do_not_undo_each_other() {
    let Some(server) = TestServer::start() else { return };
    let nodes = [node(&server).await, node(&server).await, node(&server).await];
    let changes = nodes.iter().enumerate().flat_map(|(number, node)| {
        (0..10).map(move |user| async move {
            node.change(&format!("{number}-{user}"), KeyChange::Generate).await.unwrap().unwrap()
        })
    });
    let keys = futures_util::future::join_all(changes).await;
    assert_eq!(keys.len(), 30);
    for node in &nodes {
        assert_eq!(node.users().await.len(), 30);
    }
    assert!(matches!(nodes[0].change("1-1", KeyChange::Generate).await, Err(KeysError::Key(_))));
    let value: String = nodes[0].command("GET", &[]).await;
    assert!(keys.iter().all(|key| !value.contains(key.reveal())), "keys are kept as hashes");
}

#[tokio::test]
async fn a_redis_that_lost_the_latest_changes_is_given_them_again() {
    let Some(mut server) = TestServer::start() else { return };
    let a = node(&server).await;
    a.change("ann", KeyChange::Generate).await.unwrap();
    a.change("bob", KeyChange::Generate).await.unwrap();
    let before: Vec<u8> = a.command("GET", &[]).await;
    a.change("bob", KeyChange::Cancel).await.unwrap();
    let after: Vec<u8> = a.command("GET", &[]).await;
    let _: String = a.command("SET", &[&before]).await;
    a.restored(&after).await;
    server.kill();
    assert!(matches!(a.change("eve", KeyChange::Generate).await, Err(KeysError::Store(_))));
    a.keys.list().await.unwrap_err();
    server.restart();
    a.restored(&after).await;
    assert_eq!(node(&server).await.users().await, ["ann"]);
}

#[tokio::test]
async fn a_key_that_was_cancelled_stays_cancelled_when_redis_has_lost_that_and_got_other_changes() {
    let Some(server) = TestServer::start() else { return };
    let (a, b) = (node(&server).await, node(&server).await);
    a.change("ann", KeyChange::Generate).await.unwrap();
    a.change("bob", KeyChange::Generate).await.unwrap();
    assert_eq!(b.users().await, ["ann", "bob"]);
    let before: String = a.command("GET", &[]).await;
    a.change("bob", KeyChange::Cancel).await.unwrap();
    assert_eq!(b.users().await, ["ann"]);
    let list = before.split_once('\n').unwrap().1;
    // Other changes after the earlier value: one with the number of the change that was lost, and more of them.
    for number in [3, 9] {
        let _: String = a.command("SET", &[format!("1 {number} 00000000000000aa\n{list}").as_bytes()]).await;
        for node in [&a, &b, &node(&server).await] {
            assert_eq!(node.users().await, ["ann"], "number {number}");
        }
    }
    // A change at this node may bring a key back on purpose.
    a.change("bob", KeyChange::Generate).await.unwrap();
    assert_eq!(b.users().await, ["ann", "bob"]);
}

#[tokio::test]
async fn what_are_no_keys_is_refused_and_stays() {
    let Some(server) = TestServer::start() else { return };
    let a = node(&server).await;
    a.change("ann", KeyChange::Generate).await.unwrap();
    for value in [
        "x",
        "2 9 ab\n{\"keys\":[]}",
        "1 x\n{\"keys\":[]}",
        "1 9 ab",
        "1 9 ab\n[]",
        "1 9 ab\n{\"keys\":[{}]}",
        "\u{fffd}",
        &format!("1 9 {}\n{{\"keys\":[]}}", "a".repeat(64)),
    ] {
        let _: String = a.command("SET", &[value.as_bytes()]).await;
        assert!(matches!(a.change("bob", KeyChange::Generate).await, Err(KeysError::Store(_))), "{value:?}");
        let store = Arc::new(RedisMisKeys::new(&a.instances, "p:"));
        assert!(MisKeys::open_shared(store).await.is_err(), "{value:?}");
        assert_eq!(a.command::<String>("GET", &[]).await, value);
    }
    let _: u64 = a.command("DEL", &[]).await;
    let _: u64 = a.command("SADD", &[b"member"]).await;
    a.change("bob", KeyChange::Generate).await.unwrap_err();
}
