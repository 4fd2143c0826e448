use signalhub_connections::NodeName;

use super::*;
use crate::link::RedisSettings;
use crate::test_server::TestServer;

const REFUSE: SecondConnection = SecondConnection::Refuse;
const REPLACE: SecondConnection = SecondConnection::Replace;

async fn node(server: &TestServer, name: &str) -> RedisOrganisations {
    let addresses = vec![server.url().parse().unwrap()];
    let settings = RedisSettings { addresses, username: None, password: None, tls_ca: None };
    let instances = Instances::start(&settings).unwrap();
    instances.reached(Duration::from_secs(10)).await.unwrap();
    let nodes = Nodes::new(&instances, "p:", NodeName::new(name).unwrap());
    let organisations = RedisOrganisations::new(&instances, "p:", &nodes);
    // Its links live as long as the test.
    tokio::spawn(async move {
        std::future::pending::<()>().await;
        drop(nodes);
    });
    organisations
}

/// The claim of a connection that began this long ago, or just now.
fn claim(organisation: &str, number: u64, age: Option<Duration>) -> OrganisationClaim {
    OrganisationClaim { organisation: organisation.into(), number: ClaimNumber(number), age }
}

impl RedisOrganisations {
    /// Makes one claim, and tells whether another node keeps it.
    async fn is_lost(&self, number: u64, age: Option<u64>, second: SecondConnection) -> bool {
        let age = age.map(Duration::from_secs);
        let lost = self.claim(vec![claim("acme", number, age)], second).await.unwrap();
        assert!(lost.is_empty() || lost == [ClaimNumber(number)]);
        !lost.is_empty()
    }

    async fn released(&self, number: u64) {
        self.release(vec![("acme".into(), ClaimNumber(number))]).await.unwrap();
    }

    async fn command<T: FromRedisValue>(&self, name: &str, arguments: &[&str]) -> T {
        let mut command = redis::cmd(name);
        for argument in arguments {
            command.arg(*argument);
        }
        command.query_async(&mut self.0.instance.commands().unwrap()).await.unwrap()
    }
}

#[tokio::test]
async fn a_second_claim_is_refused_until_the_first_is_released() {
    let Some(server) = TestServer::start() else { return };
    let (a, b) = (node(&server, "a").await, node(&server, "b").await);
    assert!(!a.is_lost(1, None, REFUSE).await);
    assert!(!a.is_lost(1, Some(1), REFUSE).await, "it is renewed");
    assert!(b.is_lost(1, None, REFUSE).await);
    assert!(b.is_lost(1, Some(100), REFUSE).await, "also if its connection is the older one");
    b.released(1).await;
    assert!(b.is_lost(1, None, REFUSE).await, "another node has released nothing");
    assert!(!a.is_lost(2, None, REFUSE).await, "a node decides alone about its own connections");
    a.released(1).await;
    assert!(b.is_lost(1, None, REFUSE).await, "the claim is that of the later connection");
    assert!((10_000..=15_000).contains(&a.command::<i64>("PTTL", &["p:pf:acme"]).await));
    a.released(2).await;
    assert!(!b.is_lost(2, None, REFUSE).await);
    assert_eq!(a.replaced().await.unwrap(), []);
}

#[tokio::test]
async fn the_newest_claim_replaces_and_the_other_node_learns_which_connection_it_was() {
    let Some(server) = TestServer::start() else { return };
    let (a, b) = (node(&server, "a").await, node(&server, "b").await);
    assert!(!a.is_lost(7, None, REPLACE).await);
    assert!(!b.is_lost(3, None, REPLACE).await);
    assert!(a.is_lost(7, Some(1), REPLACE).await, "it is the older one");
    assert_eq!(a.replaced().await.unwrap(), [ClaimNumber(7)]);
    assert_eq!(a.replaced().await.unwrap(), []);
    // A connection that began while its node had no store is compared by its age.
    assert!(!b.is_lost(3, Some(100), REPLACE).await);
    assert!(a.is_lost(8, Some(101), REPLACE).await);
    assert!(!a.is_lost(8, Some(99), REPLACE).await);
    assert_eq!(b.replaced().await.unwrap(), [ClaimNumber(3)]);
    // A later connection of the same node replaces no foreign one.
    assert!(!a.is_lost(9, None, REPLACE).await);
    assert_eq!((a.replaced().await.unwrap(), b.replaced().await.unwrap()), (vec![], vec![]));
}

#[tokio::test]
async fn many_claims_are_made_at_once_and_the_lost_ones_are_named() {
    let Some(server) = TestServer::start() else { return };
    let (a, b) = (node(&server, "a").await, node(&server, "b").await);
    let claims: Vec<_> = (0..500).map(|number| claim(&format!("o\n{number} /ä"), number, None)).collect();
    assert_eq!(b.claim(vec![claims[3].clone(), claims[499].clone()], REFUSE).await.unwrap(), []);
    assert_eq!(a.claim(claims, REFUSE).await.unwrap(), [ClaimNumber(3), ClaimNumber(499)]);
}

#[tokio::test]
async fn what_is_no_claim_is_overwritten_and_ignored() {
    let Some(server) = TestServer::start() else { return };
    let a = node(&server, "a").await;
    for value in ["", "b", "b/boot/1", "b/boot/1/", "b/boot/x/1", "b/boot/1/1/1", "/boot/1/1", "\u{fffd}"] {
        let _: String = a.command("SET", &["p:pf:acme", value]).await;
        a.released(1).await;
        assert!(!a.is_lost(1, None, REFUSE).await, "{value:?}");
    }
    let _: u64 = a.command("DEL", &["p:pf:acme"]).await;
    let _: u64 = a.command("SADD", &["p:pf:acme", "member"]).await;
    a.released(1).await;
    assert!(!a.is_lost(1, Some(1), REPLACE).await);
    let list = format!("p:pf-replaced:{}", a.0.node);
    let _: u64 = a.command("RPUSH", &[&list, "", "x", "-1", "18446744073709551616", "5"]).await;
    assert_eq!(a.replaced().await.unwrap(), [ClaimNumber(5)]);
    let _: u64 = a.command("SADD", &[&list, "member"]).await;
    a.replaced().await.unwrap_err();
}

#[tokio::test]
async fn without_redis_nothing_is_answered() {
    let Some(mut server) = TestServer::start() else { return };
    let a = node(&server, "a").await;
    assert!(!a.is_lost(1, None, REFUSE).await);
    server.kill();
    a.claim(vec![claim("acme", 1, None)], REFUSE).await.unwrap_err();
    a.replaced().await.unwrap_err();
    a.release(vec![("acme".into(), ClaimNumber(1))]).await.unwrap_err();
}
