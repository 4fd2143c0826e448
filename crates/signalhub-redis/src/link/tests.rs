use super::*;
use crate::test_server::TestServer;

fn settings(url: &str) -> RedisSettings {
    RedisSettings { addresses: vec![url.parse().unwrap()], username: None, password: None, tls_ca: None }
}

async fn ping(instance: &Instance) -> bool {
    let Ok(mut connection) = instance.commands() else { return false };
    redis::cmd("PING").query_async::<String>(&mut connection).await.is_ok()
}

#[tokio::test]
async fn a_lost_link_is_opened_again() {
    let Some(mut server) = TestServer::start() else { return };
    let instances = Instances::start(&settings(&server.url())).unwrap();
    instances.reached(Duration::from_secs(10)).await.unwrap();
    let instance = instances.of(b"any");
    assert!(ping(instance).await);
    let mut states = instance.states();
    server.kill();
    states.wait_for(|states| states[Link::Commands as usize] == LinkState::Disconnected).await.unwrap();
    assert_eq!(instance.commands().unwrap_err(), Disconnected);
    server.restart();
    instance.connected(Link::Commands).await;
    assert!(ping(instance).await);
}

#[tokio::test]
async fn a_server_that_hangs_is_noticed() {
    let Some(server) = TestServer::start() else { return };
    let instances = Instances::start(&settings(&server.url())).unwrap();
    instances.reached(Duration::from_secs(10)).await.unwrap();
    let instance = instances.of(b"any");
    let signal =
        |name: &str| std::process::Command::new("kill").args([name, &server.process_id().to_string()]).status();
    let mut states = instance.states();
    signal("-STOP").unwrap();
    states.wait_for(|states| states[Link::Commands as usize] == LinkState::Disconnected).await.unwrap();
    signal("-CONT").unwrap();
    instance.connected(Link::Commands).await;
    assert!(ping(instance).await);
}

#[tokio::test]
async fn a_server_that_may_remove_keys_is_noticed_at_each_connection() {
    let Some(mut server) = TestServer::start() else { return };
    let instances = Instances::start(&settings(&server.url())).unwrap();
    instances.reached(Duration::from_secs(10)).await.unwrap();
    let instance = instances.of(b"any");
    assert!(!instance.may_evict());
    let mut states = instance.states();
    server.kill();
    states.wait_for(|states| states[Link::Commands as usize] == LinkState::Disconnected).await.unwrap();
    server.restart_with(&["--maxmemory-policy", "allkeys-lru"]);
    let noticed = async {
        while !instance.may_evict() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), noticed).await.unwrap();
}

#[tokio::test]
async fn a_wrong_password_ends_the_wait() {
    let Some(server) = TestServer::with(&["--requirepass", "right-password"]) else { return };
    let reached = async |password: Option<&str>| {
        let settings = RedisSettings { password: password.map(str::to_owned), ..settings(&server.url()) };
        Instances::start(&settings).unwrap().reached(Duration::from_secs(30)).await
    };
    assert!(matches!(reached(Some("wrong-password")).await, Err(LinkError::Credentials)));
    assert!(matches!(reached(None).await, Err(LinkError::Credentials)));
    reached(Some("right-password")).await.unwrap();
    let own = server.url().replace("redis://", "redis://:right-password@");
    Instances::start(&settings(&own)).unwrap().reached(Duration::from_secs(30)).await.unwrap();
}

#[tokio::test]
async fn a_part_of_a_redis_cluster_and_a_replica_are_refused() {
    let Some(server) = TestServer::with(&["--cluster-enabled", "yes"]) else { return };
    let instances = Instances::start(&settings(&server.url())).unwrap();
    let error = instances.reached(Duration::from_secs(30)).await.unwrap_err();
    assert!(matches!(error, LinkError::Cluster), "{error}");
    let Some(server) = TestServer::with(&["--replicaof", "127.0.0.1 1"]) else { return };
    let instances = Instances::start(&settings(&server.url())).unwrap();
    let error = instances.reached(Duration::from_millis(200)).await.unwrap_err();
    assert!(matches!(error, LinkError::Replica), "{error}");
}

#[tokio::test]
async fn the_primary_is_found_through_sentinels() {
    let Some(server) = TestServer::start() else { return };
    let monitor = format!("main 127.0.0.1 {} 1", server.port());
    let Some(sentinel) = TestServer::sentinel(&monitor) else { return };
    // The first sentinel does not answer.
    let address = format!("redis+sentinel://127.0.0.1:1,127.0.0.1:{}/main", sentinel.port());
    let instances = Instances::start(&settings(&address)).unwrap();
    instances.reached(Duration::from_secs(10)).await.unwrap();
    assert!(ping(instances.of(b"any")).await);
    let unknown = Instances::start(&settings(&address.replace("/main", "/other"))).unwrap();
    let error = unknown.reached(Duration::from_millis(200)).await.unwrap_err();
    assert!(matches!(error, LinkError::NoPrimary(_)), "{error}");
}

#[tokio::test]
async fn a_primary_that_sentinels_name_no_longer_is_left_though_it_stays_one() {
    let (Some(before), Some(after)) = (TestServer::start(), TestServer::start()) else { return };
    let Some(sentinel) = TestServer::sentinel(&format!("main 127.0.0.1 {} 1", before.port())) else { return };
    let address = format!("redis+sentinel://127.0.0.1:{}/main", sentinel.port());
    let instances = Instances::start(&settings(&address)).unwrap();
    instances.reached(Duration::from_secs(10)).await.unwrap();
    let instance = instances.of(b"any");
    before.run(&["SET", "server", "before"]);
    after.run(&["SET", "server", "after"]);
    let (mut own, driver) = instance.open().await.unwrap();
    let driver = tokio::spawn(driver);
    assert_eq!(redis::cmd("GET").arg("server").query_async::<String>(&mut own).await.unwrap(), "before");
    sentinel.run(&["SENTINEL", "REMOVE", "main"]);
    sentinel.run(&["SENTINEL", "MONITOR", "main", "127.0.0.1", &after.port().to_string(), "1"]);
    let moved = tokio::time::timeout(Duration::from_secs(20), driver).await;
    moved.expect("the connection of a caller ends, too").unwrap();
    instance.connected(Link::Commands).await;
    let (own, driver) = instance.open().await.unwrap();
    tokio::spawn(driver);
    for mut connection in [instance.commands().unwrap(), own] {
        let server: String = redis::cmd("GET").arg("server").query_async(&mut connection).await.unwrap();
        assert_eq!(server, "after");
    }
}

#[tokio::test]
async fn a_server_that_is_away_is_waited_for_no_longer_than_asked() {
    let instances = Instances::start(&settings("redis://127.0.0.1:1")).unwrap();
    let error = instances.reached(Duration::from_millis(200)).await.unwrap_err();
    assert!(matches!(error, LinkError::Unreachable { .. }) && !error.is_permanent(), "{error}");
}

#[test]
fn each_key_has_a_server_and_few_keys_move_when_one_is_added() {
    let keys: Vec<String> = (0..1_000).map(|number| format!("event.{number}")).collect();
    let chosen = |count| keys.iter().map(|key| jump(fnv(key.as_bytes()), count)).collect::<Vec<_>>();
    let (four, five) = (chosen(4), chosen(5));
    for number in 0..4 {
        let share = four.iter().filter(|&&chosen| chosen == number).count();
        assert!((150..350).contains(&share), "server {number} has {share} of 1000 names");
    }
    let moved = four.iter().zip(&five).filter(|(before, after)| before != after).count();
    assert!(moved < 300 && four.iter().zip(&five).all(|(before, after)| before == after || *after == 4), "{moved}");
    assert_eq!(jump(fnv(b"portos.resources.changed"), 1), 0);
}

#[tokio::test]
async fn tls_needs_a_certificate_of_a_trusted_authority() {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let folder = std::env::temp_dir().join(format!("signalhub-redis-tls-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let (certificate, key) = (folder.join("certificate.pem"), folder.join("key.pem"));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let (certificate, key) = (certificate.to_str().unwrap(), key.to_str().unwrap());
    let files = ["--tls-cert-file", certificate, "--tls-key-file", key, "--tls-ca-cert-file", certificate];
    let arguments = [["--tls-port", &port, "--tls-auth-clients", "no"].as_slice(), &files].concat();
    let Some(_server) = TestServer::with(&arguments) else { return };
    std::fs::remove_dir_all(&folder).unwrap();
    let trusting = |tls_ca| RedisSettings { tls_ca, ..settings(&format!("rediss://localhost:{port}")) };
    let instances = Instances::start(&trusting(Some(made.cert.pem().into_bytes()))).unwrap();
    instances.reached(Duration::from_secs(10)).await.unwrap();
    assert!(ping(instances.of(b"any")).await);
    let other = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let instances = Instances::start(&trusting(Some(other.cert.pem().into_bytes()))).unwrap();
    let error = instances.reached(Duration::from_secs(10)).await.unwrap_err();
    assert!(matches!(error, LinkError::Tls { .. }) && error.is_permanent(), "{error}");
    assert!(matches!(Instances::start(&trusting(Some(Vec::new()))), Err(OpenerError::Ca(_))));
}
