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
    let found = first.find(second.own_name()).await.expect("it is found before the next beat");
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
    let first = join(&instances, "p:", "a", presence()).await.unwrap();
    let error = join(&instances, "p:", "a", presence()).await.unwrap_err();
    assert!(matches!(error, JoinError::NameTaken(_)), "{error}");
    let boot = first.own_boot().to_owned();
    drop(first);
    let again = join(&instances, "p:", "a", presence()).await.unwrap();
    assert_ne!(again.own_boot(), boot);
}

#[tokio::test]
async fn nodes_with_other_lists_of_servers_or_formats_are_refused() {
    let (Some(one), Some(two)) = (TestServer::start(), TestServer::start()) else { return };
    let instances = reached(&[one.url(), two.url()]).await;
    let _first = join(&instances, "p:", "a", presence()).await.unwrap();
    for urls in [vec![one.url()], vec![two.url()], vec![two.url(), one.url()]] {
        let error = join(&reached(&urls).await, "p:", "b", presence()).await.unwrap_err();
        assert!(matches!(&error, JoinError::OtherServers(name) if name.as_str() == "a"), "{error}");
    }
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
    let entry =
        r#"{"v":1,"boot":"b","address":"10.0.0.7:3002","formats":[1],"hub":"h","started":5,"shard":"0/1","new":{}}"#;
    let (_, node) = read_entry("a", entry).unwrap();
    assert_eq!((node.started, node.formats.as_slice()), (5, [1].as_slice()));
    for (from, to) in [("\"v\":1", "\"v\":2"), ("10.0.0.7:3002", "nowhere"), ("[1]", "1"), ("{", "")] {
        assert!(read_entry("a", &entry.replacen(from, to, 1)).is_none(), "{to}");
    }
    assert!(read_entry("a\nb", entry).is_none());
}
