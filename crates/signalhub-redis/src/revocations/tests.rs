use std::net::SocketAddr;

use signalhub_connections::{Identity, Server};
use tokio::task::JoinHandle;

use super::*;
use crate::link::RedisSettings;
use crate::test_server::TestServer;

const HOUR: Duration = Duration::from_secs(3600);

/// A server that shares its revocations.
struct TestNode {
    shared: RedisRevocations,
    instances: Instances,
    running: JoinHandle<Infallible>,
    _server: Server,
}

impl TestNode {
    async fn start(server: &TestServer) -> Self {
        let addresses = vec![server.url().parse().unwrap()];
        let settings = RedisSettings { addresses, username: None, password: None, tls_ca: None };
        let instances = Instances::start(&settings).unwrap();
        instances.reached(Duration::from_secs(10)).await.unwrap();
        let server = Server::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let shared = RedisRevocations::new(&instances, "p:", server.revocations());
        shared.load().await.unwrap();
        let task = shared.clone();
        Self { shared, instances, running: tokio::spawn(async move { task.run().await }), _server: server }
    }

    /// Revokes as the admin API does.
    async fn revoke(&self, revocation: &Revocation) -> Result<(), ShareError> {
        self.shared.0.revocations.revoke(revocation, HOUR).unwrap();
        self.shared.share(revocation, HOUR).await
    }

    fn refuses(&self, identity: &Identity) -> bool {
        self.shared.0.revocations.is_revoked(identity)
    }

    async fn refused(&self, identity: &Identity) {
        let waiting = async {
            while !self.refuses(identity) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), waiting).await.expect("the revocation arrives");
    }

    async fn command<T: redis::FromRedisValue>(&self, name: &str, arguments: &[&[u8]]) -> T {
        let mut command = redis::cmd(name);
        command.arg("p:revocations");
        for argument in arguments {
            command.arg(*argument);
        }
        let mut connection = self.instances.all()[0].commands().unwrap();
        command.query_async(&mut connection).await.unwrap()
    }
}

impl Drop for TestNode {
    fn drop(&mut self) {
        self.running.abort();
    }
}

fn token(id: &str) -> Revocation {
    Revocation::Token { id: id.to_owned() }
}

fn with_token(id: &str) -> Identity {
    Identity::user("ann").with_claim("jti", id)
}

fn milliseconds(time: SystemTime) -> u128 {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis()
}

#[tokio::test]
async fn a_revocation_acts_at_every_node_also_at_one_that_starts_later() {
    let Some(server) = TestServer::start() else { return };
    let (a, b) = (TestNode::start(&server).await, TestNode::start(&server).await);
    let now = SystemTime::now();
    let of_ann = Revocation::User { user: "ann".to_owned(), organisation: Some("acme".to_owned()), before: now };
    a.revoke(&of_ann).await.unwrap();
    b.revoke(&token("7")).await.unwrap();
    let ann = Identity::user("ann").with_organisation("acme");
    let seconds = now.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let (old, new) = (ann.clone().with_claim("iat", seconds - 10), ann.with_claim("iat", seconds + 10));
    b.refused(&old).await;
    a.refused(&with_token("7")).await;
    let c = TestNode::start(&server).await;
    for node in [&a, &b, &c] {
        assert!(node.refuses(&old) && node.refuses(&with_token("7")));
        assert!(!node.refuses(&new) && !node.refuses(&with_token("8")));
        assert!(!node.refuses(&Identity::user("ann").with_organisation("other").with_claim("iat", seconds - 10)));
    }
}

#[tokio::test]
async fn a_severed_node_learns_of_revocations_and_tells_of_its_own_when_redis_is_back_empty() {
    let Some(mut server) = TestServer::start() else { return };
    let (a, b) = (TestNode::start(&server).await, TestNode::start(&server).await);
    a.revoke(&token("before")).await.unwrap();
    server.kill();
    assert_eq!(a.revoke(&token("a")).await, Err(ShareError::Unavailable));
    assert_eq!(b.revoke(&token("b")).await, Err(ShareError::Unavailable));
    assert!(a.refuses(&with_token("a")) && b.refuses(&with_token("b")), "they act where they were given");
    server.restart();
    a.refused(&with_token("b")).await;
    b.refused(&with_token("a")).await;
    b.refused(&with_token("before")).await;
    let c = TestNode::start(&server).await;
    assert!(["before", "a", "b"].iter().all(|id| c.refuses(&with_token(id))), "Redis was empty");
    // Data that is lost without a lost connection is noticed, too.
    let _: u64 = a.command("DEL", &[]).await;
    let waiting = async {
        while a.command::<u64>("ZCARD", &[]).await < 3 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waiting).await.expect("the revocations are added again");
}

#[tokio::test]
async fn malformed_revocations_in_redis_are_ignored_and_later_ones_are_read() {
    let Some(server) = TestServer::start() else { return };
    let a = TestNode::start(&server).await;
    let ends = milliseconds(SystemTime::now() + HOUR);
    let ahead = milliseconds(SystemTime::now() + HOUR) * 1_000;
    let long = "x".repeat(2_000);
    let malformed = [
        String::new(),
        "no time".to_owned(),
        format!("{ends}"),
        format!("{ends} {{}}"),
        format!("{ends} {{\"v\":2,\"jti\":\"1\"}}"),
        format!("{ends} {{\"v\":1,\"jti\":1}}"),
        format!("{ends} {{\"v\":1,\"jti\":\"1\",\"user\":\"ann\"}}"),
        format!("{ends} {{\"v\":1,\"user\":\"ann\"}}"),
        format!("{ends} {{\"v\":1,\"user\":\"ann\",\"before\":{ahead}}}"),
        format!("{ends} {{\"v\":1,\"jti\":\"{long}\"}}"),
        "99999999999999999999 {\"v\":1,\"jti\":\"1\"}".to_owned(),
        "18446744073709551615 {\"v\":1,\"jti\":\"1\"}".to_owned(),
        "1000 {\"v\":1,\"jti\":\"1\"}".to_owned(),
    ];
    for (number, member) in malformed.iter().enumerate() {
        let _: u64 = a.command("ZADD", &[(number + 1).to_string().as_bytes(), member.as_bytes()]).await;
    }
    let _: u64 = a.command("ZADD", &[b"100", &[0xff, 0xfe]]).await;
    let last = format!("{ends} {{\"v\":1,\"jti\":\"last\",\"more\":true}}");
    let _: u64 = a.command("ZADD", &[b"101", last.as_bytes()]).await;
    a.refused(&with_token("last")).await;
    assert!(!a.refuses(&with_token("1")));
    assert!(!a.refuses(&Identity::user("ann").with_claim("iat", 1)));
}

#[tokio::test]
async fn wrong_scores_stop_no_reader_and_are_counted() {
    let Some(server) = TestServer::start() else { return };
    let (a, b) = (TestNode::start(&server).await, TestNode::start(&server).await);
    let ends = milliseconds(SystemTime::now() + HOUR);
    let member = |id: &str| format!("{ends} {{\"v\":1,\"jti\":\"{id}\"}}");
    for (number, score) in ["inf", "-inf", "-1", "0", "0.5", "9007199254740994", "1e300"].iter().enumerate() {
        let member = member(&format!("skipped-{number}"));
        let _: u64 = a.command("ZADD", &[score.as_bytes(), member.as_bytes()]).await;
    }
    a.revoke(&token("7")).await.unwrap();
    b.refused(&with_token("7")).await;
    // More than are read at once, and no score is whole.
    let between: Vec<_> =
        (0..BATCH + 100).map(|number| (format!("1.{number:04}"), member(&number.to_string()))).collect();
    let between: Vec<&[u8]> =
        between.iter().flat_map(|(score, member)| [score.as_bytes(), member.as_bytes()]).collect();
    let c = {
        let _: u64 = a.command("ZADD", &between).await;
        TestNode::start(&server).await
    };
    assert!(c.refuses(&with_token("0")) && c.refuses(&with_token(&(BATCH + 99).to_string())));
    assert!(c.refuses(&with_token("7")) && !c.refuses(&with_token("skipped-0")));
    for node in [&a, &b, &c] {
        assert_eq!(node.shared.skipped(), 7);
    }
    // A node that knows one of them gives it a right score.
    b.revoke(&token("8")).await.unwrap();
    let known = b.shared.0.state().known.last().unwrap().clone();
    let _: u64 = a.command("ZADD", &[b"inf", known.as_str().as_bytes()]).await;
    b.shared.0.add_all().await.unwrap();
    let score: f64 = a.command("ZSCORE", &[known.as_str().as_bytes()]).await;
    assert!(score < 9e15, "{score}");
    c.refused(&with_token("8")).await;
    let _: u64 = a.command("DEL", &[]).await;
    b.revoke(&token("9")).await.unwrap();
    let waiting = async {
        while a.command::<u64>("ZCARD", &[]).await < 3 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waiting).await.expect("what was lost is added again");
}

#[tokio::test]
async fn revocations_that_have_ended_are_removed_and_long_ones_are_not_shared() {
    let Some(server) = TestServer::start() else { return };
    let a = TestNode::start(&server).await;
    for number in 0..10 {
        let member = format!("{} {{\"v\":1,\"jti\":\"{number}\"}}", 1_000 + number);
        let _: u64 = a.command("ZADD", &[number.to_string().as_bytes(), member.as_bytes()]).await;
    }
    a.revoke(&token("1")).await.unwrap();
    assert_eq!(a.command::<u64>("ZCARD", &[]).await, 1);
    assert_eq!(a.shared.share(&token(&"x".repeat(1_100)), HOUR).await, Err(ShareError::TooLong));
    assert_eq!(a.command::<u64>("ZCARD", &[]).await, 1);
}

#[tokio::test]
async fn a_full_cluster_refuses_further_revocations_and_keeps_what_it_has() {
    let Some(server) = TestServer::start() else { return };
    let a = TestNode::start(&server).await;
    let entry = |id: &str| Entry::new(&token(id), SystemTime::now() + HOUR).unwrap();
    let mut connection = a.instances.all()[0].commands().unwrap();
    let mut invocation = ADD.key("p:revocations");
    let refused: usize = invocation
        .arg(2)
        .arg(entry("1").as_str())
        .arg(entry("2").as_str())
        .arg(entry("3").as_str())
        .invoke_async(&mut connection)
        .await
        .unwrap();
    assert_eq!((refused, a.command::<u64>("ZCARD", &[]).await), (1, 2));
    a.refused(&with_token("2")).await;
    assert!(!a.refuses(&with_token("3")));
}

#[test]
fn a_revocation_of_a_node_whose_clock_is_ahead_is_read_as_it_was_written() {
    let before = SystemTime::now() + Duration::from_secs(20);
    let written = Revocation::User { user: "ann".to_owned(), organisation: None, before };
    let entry = Entry::new(&written, SystemTime::now() + HOUR).unwrap();
    let (_, read) = Entry::read(entry.as_str().as_bytes()).unwrap();
    assert!(is_ahead(&read, SystemTime::now()) && !is_ahead(&read, SystemTime::now() + CLOCK_TOLERANCE));
    assert!(is_ahead(&read, before - Duration::from_micros(1)) && !is_ahead(&read, before + Duration::from_micros(1)));
}
