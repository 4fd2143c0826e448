use futures_util::future::join_all;

use super::*;
use crate::link::RedisSettings;
use crate::test_server::TestServer;

async fn join(instances: &Instances, prefix: &str, name: &str, presence: Presence) -> Result<Nodes, JoinError> {
    let nodes = Nodes::new(instances, prefix, NodeName::new(name).unwrap());
    nodes.join(presence).await.map(|()| nodes)
}

fn presence() -> Presence {
    let address = Some(NodeAddress::new("10.0.0.7:3002").unwrap());
    Presence { address, hub: "Signalhub.MainHub".to_owned(), formats: vec![1] }
}

async fn reached(urls: &[String]) -> Instances {
    let addresses = urls.iter().map(|url| url.parse().unwrap()).collect();
    let settings = RedisSettings { addresses, username: None, password: None, tls_ca: None };
    let instances = Instances::start(&settings).unwrap();
    instances.reached(Duration::from_secs(10)).await.unwrap();
    instances
}

fn names(nodes: &Nodes) -> Vec<String> {
    nodes.present().keys().map(ToString::to_string).collect()
}

async fn wait_for(nodes: &Nodes, expected: &[&str]) {
    let mut changes = nodes.changes();
    let waited = changes.wait_for(|present| present.keys().map(NodeName::as_str).eq(expected.iter().copied()));
    drop(tokio::time::timeout(Duration::from_secs(20), waited).await.expect("the nodes change in time").unwrap());
}

#[tokio::test]
async fn nodes_see_each_other_come_leave_and_die() {
    let Some(server) = TestServer::start() else { return };
    let instances = reached(&[server.url()]).await;
    let first = join(&instances, "p:", "a", presence()).await.unwrap();
    let second = join(&instances, "p:", "b", presence()).await.unwrap();
    assert_eq!(names(&second), ["a", "b"]);
    let found = first.find(second.own_name(), second.own_boot()).await.expect("it is found before the next beat");
    assert_eq!((found.boot.as_str(), found.node.address.unwrap().as_str()), (second.own_boot(), "10.0.0.7:3002"));
    assert!(join(&instances, "other:", "a", presence()).await.is_ok(), "another prefix is another cluster");
    wait_for(&first, &["a", "b"]).await;
    second.leave().await;
    wait_for(&first, &["a"]).await;
    let third = join(&instances, "p:", "c", presence()).await.unwrap();
    wait_for(&first, &["a", "c"]).await;
    drop(third);
    wait_for(&first, &["a"]).await;
}

#[tokio::test]
async fn a_name_is_taken_once_and_free_again_after_a_crash() {
    let Some(server) = TestServer::start() else { return };
    let instances = reached(&[server.url()]).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = |address: &str| Presence { address: Some(NodeAddress::new(address).unwrap()), ..presence() };
    let listening = listener.local_addr().unwrap().to_string();
    let closed = {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap().to_string()
    };
    // The address of a node that was killed: where nothing listens, its successor's own, and one where something still listens.
    let cases = [("a", &*closed, "10.0.0.7:3002"), ("b", "10.0.0.7:3002", "10.0.0.7:3002"), ("c", &listening, &closed)];
    let taken = cases.map(async |(name, before, after)| {
        let first = join(&instances, "p:", name, at(before)).await.unwrap();
        let error = join(&instances, "p:", name, at(after)).await.unwrap_err();
        assert!(matches!(error, JoinError::NameTaken(_)), "{error}");
        assert!(first.0.own.beat_all(Replaces::Own).await.iter().all(Result::is_ok));
        let boot = first.own_boot().to_owned();
        drop(first);
        let begun = tokio::time::Instant::now();
        let again = join(&instances, "p:", name, at(after)).await.unwrap();
        assert_ne!(again.own_boot(), boot);
        begun.elapsed()
    });
    let [nothing_listens, own_address, something_listens] = taken;
    let (nothing_listens, own_address, something_listens) =
        tokio::join!(nothing_listens, own_address, something_listens);
    for early in [nothing_listens, own_address] {
        assert!((4..9).contains(&early.as_secs()), "{early:?}");
    }
    assert!(something_listens.as_secs() >= 9, "until its entry has expired: {something_listens:?}");
}

#[tokio::test]
async fn a_node_that_comes_or_goes_is_known_to_the_others_at_once() {
    let Some(server) = TestServer::start() else { return };
    let instances = reached(&[server.url()]).await;
    let first = join(&instances, "p:", "a", presence()).await.unwrap();
    // What the log of a node does.
    let mut channel = instances.all()[0].open_channels().await.unwrap();
    channel.subscribe(first.channel()).await.unwrap();
    let looking = first.clone();
    tokio::spawn(async move {
        let mut messages = channel.into_on_message();
        while futures_util::StreamExt::next(&mut messages).await.is_some() {
            looking.look();
        }
    });
    let begun = tokio::time::Instant::now();
    for _ in 0..2 {
        let second = join(&instances, "p:", "b", presence()).await.unwrap();
        second.announce().await;
        wait_for(&first, &["a", "b"]).await;
        second.leave().await;
        wait_for(&first, &["a"]).await;
    }
    assert!(begun.elapsed() < INTERVAL, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn entries_that_no_node_has_made_hide_no_node_and_keep_none_from_joining() {
    let Some(server) = TestServer::start() else { return };
    let instances = reached(&[server.url()]).await;
    let script = "local now = tonumber(redis.call('time')[1])
        for n = 1, 3000 do
            redis.call('zadd', KEYS[1], now - 30, 'old.' .. n)
            redis.call('zadd', KEYS[1], now + 1, 'new.' .. n)
            redis.call('zadd', KEYS[1], now + 100 + n, 'future.' .. n)
        end
        local entry = '{\"v\":1,\"boot\":\"b\",\"formats\":[1],\"hub\":\"h\",\"started\":5,\"redis\":[null]}'
        for name, value in pairs({['\\255'] = entry, bytes = '{\"boot\":\"\\255\"}', text = 'x', number = '1', long = string.rep('x', 20000)}) do
            redis.call('zadd', KEYS[1], now + 2, name)
            redis.call('set', 'p:node:' .. name, value)
        end
        redis.call('zadd', KEYS[1], now + 2, 'list')
        redis.call('rpush', 'p:node:list', entry)
        redis.call('set', 'p:node:a', '\\255')
        redis.call('rpush', 'p:node:b', entry)";
    let mut connection = instances.all()[0].commands().unwrap();
    let mut add = redis::cmd("EVAL");
    add.arg(script).arg(1).arg("p:nodes").exec_async(&mut connection).await.unwrap();
    let first = join(&instances, "p:", "a", presence()).await.unwrap();
    let second = join(&instances, "p:", "b", presence()).await.unwrap();
    wait_for(&first, &["a", "b"]).await;
    wait_for(&second, &["a", "b"]).await;
}

#[tokio::test]
async fn a_node_joins_when_an_earlier_attempt_of_its_own_has_written_its_entry() {
    let Some(server) = TestServer::start() else { return };
    let instances = reached(&[server.url()]).await;
    let node = Nodes::new(&instances, "p:", NodeName::new("a").unwrap());
    node.0.own.presence.get_or_init(|| (presence(), 5));
    node.0.own.servers.identify().await;
    name::take(&node.0.own).await.unwrap();
    let begun = tokio::time::Instant::now();
    node.join(presence()).await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}

/// A node whose entries have expired while it had lost Redis, and the one that has taken its name meanwhile.
async fn replaced(instances: &Instances) -> [Nodes; 2] {
    let first = join(instances, "p:", "a", presence()).await.unwrap();
    if let Some(beating) = first.0.beating.lock().unwrap().take() {
        beating.abort();
    }
    for instance in instances.all() {
        let mut connection = instance.commands().unwrap();
        let _: () = redis::cmd("DEL").arg("p:node:a").query_async(&mut connection).await.unwrap();
    }
    let elsewhere = Presence { address: Some(NodeAddress::new("10.0.0.8:3002").unwrap()), ..presence() };
    let second = join(instances, "p:", "a", elsewhere).await.unwrap();
    [first, second]
}

#[tokio::test]
async fn a_node_whose_name_another_one_has_taken_does_not_write_its_entry_until_that_one_has_left() {
    let (Some(one), Some(two)) = (TestServer::start(), TestServer::start()) else { return };
    let instances = reached(&[one.url(), two.url()]).await;
    let [first, second] = replaced(&instances).await;
    let third = join(&instances, "p:", "c", presence()).await.unwrap();
    for _ in 0..2 {
        assert!(first.0.own.beat_all(Replaces::Own).await.iter().all(Result::is_ok));
        second.0.own.beat_all(Replaces::Own).await;
        assert_eq!((first.is_replaced(), second.is_replaced()), (true, false));
        third.0.own.beat_all(Replaces::Own).await;
        let seen = third.0.own.all()[first.own_name()].clone();
        assert_eq!((seen.boot.as_str(), seen.node.address.unwrap().as_str()), (second.own_boot(), "10.0.0.8:3002"));
        assert_eq!(third.find(first.own_name(), first.own_boot()).await, None, "nothing is forwarded for it");
    }
    first.leave().await;
    third.0.own.beat_all(Replaces::Own).await;
    assert_eq!(third.0.own.all()[second.own_name()].boot, second.own_boot(), "it removes its own entry only");
    second.leave().await;
    assert!(first.0.own.beat_all(Replaces::Own).await.iter().all(Result::is_ok));
    assert!(!first.is_replaced());
    assert!(third.find(first.own_name(), first.own_boot()).await.is_some(), "the name is free");
}

#[tokio::test]
async fn a_node_that_was_started_again_is_found_at_once_and_keeps_its_name_at_every_server() {
    let (Some(one), Some(two)) = (TestServer::start(), TestServer::start()) else { return };
    let instances = reached(&[one.url(), two.url()]).await;
    let before = join(&instances, "p:", "a", presence()).await.unwrap();
    let other = join(&instances, "p:", "c", presence()).await.unwrap();
    drop(before);
    // The entry of the earlier start is still at the second server.
    let mut connection = instances.all()[0].commands().unwrap();
    let _: () = redis::cmd("DEL").arg("p:node:a").query_async(&mut connection).await.unwrap();
    let after = join(&instances, "p:", "a", presence()).await.unwrap();
    assert_ne!(other.present()[after.own_name()].boot, after.own_boot(), "the other one knows the earlier start");
    let found = other.find(after.own_name(), after.own_boot()).await.map(|found| found.boot);
    assert_eq!(found.as_deref(), Some(after.own_boot()));
    after.0.own.beat_all(Replaces::Own).await;
    assert!(!after.is_replaced());
}

#[tokio::test]
async fn a_node_whose_user_may_not_write_its_entry_does_not_join() {
    let rules = ["--user", "short", "on", "nopass", "allkeys", "allchannels", "+@all", "-time"];
    let Some(server) = TestServer::with(&rules) else { return };
    let instances = reached(&[server.url().replace("//", "//short:any@")]).await;
    let error = join(&instances, "p:", "a", presence()).await.unwrap_err();
    assert!(
        matches!(&error, JoinError::Redis { error, .. } if error.to_string().contains("can't run this command")),
        "{error}"
    );
}

#[tokio::test]
async fn a_node_joins_though_others_do_not_know_yet_that_a_server_has_lost_its_data() {
    let (Some(one), Some(two)) = (TestServer::start(), TestServer::start()) else { return };
    let instances = reached(&[one.url(), two.url()]).await;
    let first = join(&instances, "p:", "a", presence()).await.unwrap();
    let mut connection = instances.all()[1].commands().unwrap();
    let _: () = redis::cmd("FLUSHALL").query_async(&mut connection).await.unwrap();
    let second = join(&instances, "p:", "b", presence()).await.unwrap();
    wait_for(&first, &["a", "b"]).await;
    wait_for(&second, &["a", "b"]).await;
}

#[tokio::test]
async fn nodes_with_other_lists_of_servers_or_formats_are_refused() {
    let (Some(one), Some(two)) = (TestServer::start(), TestServer::start()) else { return };
    let instances = reached(&[one.url(), two.url()]).await;
    let _first = join(&instances, "p:", "a", presence()).await.unwrap();
    let Some(three) = TestServer::start() else { return };
    let [one, two, three] = [one.url(), two.url(), three.url()];
    let lists = [vec![&one], vec![&two], vec![&two, &one], vec![&one, &three], vec![&three, &two]];
    join_all(lists.map(async |urls| {
        let urls: Vec<_> = urls.into_iter().cloned().collect();
        let error = join(&reached(&urls).await, "p:", "b", presence()).await.unwrap_err();
        assert!(matches!(&error, JoinError::OtherServers(name) if name.as_str() == "a"), "{error}");
    }))
    .await;
    let at_other_addresses = [&one, &two].map(|url| url.replace("127.0.0.1", "localhost"));
    let other = join(&reached(&at_other_addresses).await, "p:", "other", presence()).await.unwrap();
    other.leave().await;
    let twice = [one.clone(), one.replace("127.0.0.1", "localhost")];
    let error = join(&reached(&twice).await, "p:", "b", presence()).await.unwrap_err();
    assert!(matches!(&error, JoinError::SameServer(..)), "{error}");
    let later = Presence { formats: vec![2, 3], ..presence() };
    let error = join(&instances, "p:", "b", later).await.unwrap_err();
    assert!(matches!(&error, JoinError::Formats(name) if name.as_str() == "a"), "{error}");
}

#[tokio::test]
async fn the_highest_format_that_all_nodes_read_is_written() {
    let Some(server) = TestServer::start() else { return };
    let instances = reached(&[server.url()]).await;
    let later = join(&instances, "p:", "later", Presence { formats: vec![1, 2], ..presence() }).await.unwrap();
    assert_eq!(later.format(), 2);
    let earlier = join(&instances, "p:", "earlier", presence()).await.unwrap();
    assert_eq!((later.format(), earlier.format()), (1, 1), "the earlier one has waited until the later one knew");
    earlier.leave().await;
    wait_for(&later, &["later"]).await;
    assert_eq!(later.format(), 2);
}

#[test]
fn entries_of_other_versions_are_read_as_far_as_they_mean_the_same() {
    let entry = r#"{"v":1,"boot":"b","address":"10.0.0.7:3002","formats":[1],"hub":"h","started":5,"redis":["00000000000000ff",null],"new":{}}"#;
    let (_, node) = Entry::read("a", entry).unwrap();
    assert_eq!((node.started, node.formats.as_slice()), (5, [1].as_slice()));
    for (from, to) in [("\"v\":1", "\"v\":2"), ("10.0.0.7:3002", "nowhere"), ("[1]", "1"), ("{", ""), ("ff", "fg")] {
        assert!(Entry::read("a", &entry.replacen(from, to, 1)).is_none(), "{to}");
    }
    assert!(Entry::read("a\nb", entry).is_none());
}
