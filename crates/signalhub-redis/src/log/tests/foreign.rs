//! Something else than a node has written into Redis.

use super::server_faults::command;
use super::*;

/// Adds names to the stream of names, and what `each` says for each of them: Lua with the number of the name in `n`.
async fn add_names(server: &TestServer, count: usize, each: &str) {
    let script = format!(
        "for n = 1, {count} do {each} redis.call('xadd', 'signalhub:names', '*', 'm', 'signalhub:m:foreign.' .. n) end"
    );
    let instances = instances(&[server.url()]).await;
    let mut connection = instances.all()[0].commands().unwrap();
    let _: redis::Value = redis::cmd("EVAL").arg(script).arg(0).query_async(&mut connection).await.unwrap();
}

/// Waits until a node skips names, or does not.
async fn wait_for_skipped(node: &Node, is_expected: impl Fn(u64) -> bool) {
    let waiting = async {
        while !is_expected(node.log.cluster_counts().skipped_names) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(LONG, waiting).await.unwrap();
}

#[tokio::test]
async fn of_names_that_others_write_a_bounded_number_is_read_and_own_names_work() {
    let Some(server) = TestServer::start() else { return };
    let mut options = LogOptions::new("a");
    options.names = 3;
    let node = Node::with(&[server.url()], options.clone()).await;
    node.publish(0).await;
    let begun = "redis.call('hset', 'signalhub:m:foreign.' .. n, 'e', '00000000000000aa', 's', 0)";
    add_names(&server, 2_000, begun).await;
    wait_for_skipped(&node, |skipped| skipped >= 2_000 - 1_030).await;
    let most = 3 + BEYOND_LIMIT;
    assert_eq!(node.log.cluster_counts().names, most);
    node.publish(1).await;
    publish(&node, DECLARED).await.unwrap();
    let too_many = PublishError::Shared(SharedPublishError::TooManyNames);
    assert_eq!(publish(&node, "shop.new").await.unwrap_err(), too_many);
    let later = Node::with(&[server.url()], LogOptions { node: "b".into(), ..options }).await;
    wait_for_skipped(&later, |skipped| skipped >= 2_000 - 1_030).await;
    assert_eq!(later.log.cluster_counts().names, most + 1, "and the declared one");
    publish(&later, OTHER_DECLARED).await.unwrap();
    publish(&node, OTHER_DECLARED).await.unwrap();
}

#[tokio::test]
async fn names_that_never_had_an_event_leave_all_room_to_those_that_have() {
    let Some(server) = TestServer::start() else { return };
    let mut options = LogOptions::new("a");
    options.names = 3;
    let node = Node::with(&[server.url()], options.clone()).await;
    add_names(&server, 3_000, "").await;
    for name in ["shop.1", "shop.2", "shop.3"] {
        publish(&node, name).await.unwrap();
    }
    let too_many = PublishError::Shared(SharedPublishError::TooManyNames);
    assert_eq!(publish(&node, "shop.4").await.unwrap_err(), too_many);
    let later = Node::with(&[server.url()], LogOptions { node: "b".into(), ..options }).await;
    publish(&later, "shop.3").await.unwrap();
    assert_eq!((later.log.cluster_counts().names, later.log.cluster_counts().skipped_names), (3, 0));
}

#[tokio::test]
async fn a_name_whose_offsets_cannot_be_continued_begins_anew_and_is_told_as_a_gap() {
    let Some(server) = TestServer::start() else { return };
    let nodes = [Node::start(&server, "a").await, Node::start(&server, "b").await];
    let (meta, events) = ("signalhub:m:shop.changed", "signalhub:e:shop.changed");
    let wrong: [(&str, &[&str]); 7] = [
        ("an offset that no number has", &["HSET", meta, "s", "9007199254740992"]),
        ("an offset that Lua writes otherwise", &["HSET", meta, "s", "100000000000000"]),
        ("no number", &["HSET", meta, "s", "x"]),
        ("a fraction", &["HSET", meta, "s", "1.5"]),
        ("no epoch", &["HSET", meta, "e", "zz"]),
        ("a higher id in the stream", &["XADD", events, "*", "x", "y"]),
        ("the highest id in the stream", &["XADD", events, "18446744073709551615-18446744073709551615", "x", "y"]),
    ];
    nodes[0].publish(0).await;
    for (number, (what, words)) in wrong.into_iter().enumerate() {
        nodes[1].ledger.wait_for_events(number + 1).await;
        let before = nodes[0].broker.bounds(&name()).position();
        command(&nodes[0], words).await;
        let position = timeout(LONG, nodes[0].publish(number + 1)).await.expect(what);
        assert_eq!(position.offset(), 1, "{what}");
        assert_ne!(position.epoch(), before.epoch(), "{what}");
        for node in &nodes {
            timeout(LONG, node.ledger.wait_for_events(number + 2)).await.expect(what);
            let gaps = node.ledger.gaps();
            assert_eq!((gaps.len(), gaps[number].from, gaps[number].reason), (number + 1, before, GapReason::Epoch));
        }
    }
}

#[tokio::test]
async fn a_description_that_no_node_writes_is_found_without_a_publish() {
    let Some(server) = TestServer::start() else { return };
    let node = Node::start(&server, "a").await;
    node.publish(0).await;
    command(&node, &["HSET", "signalhub:m:shop.changed", "s", "9007199254740992"]).await;
    assert_eq!(timeout(LONG, node.ledger.wait_for_gap()).await.unwrap().reason, GapReason::Epoch);
    assert_eq!(node.publish(1).await.offset(), 1);
}

#[tokio::test]
async fn a_node_starts_while_something_else_is_in_the_place_of_events_and_tells_a_gap_when_it_is_gone() {
    let Some(server) = TestServer::start() else { return };
    let first = Node::start(&server, "a").await;
    let position = first.publish(0).await;
    let events = "signalhub:e:shop.changed";
    command(&first, &["DEL", events]).await;
    command(&first, &["SET", events, "x"]).await;
    let later = Node::start(&server, "b").await;
    publish(&later, DECLARED).await.unwrap();
    command(&first, &["DEL", events]).await;
    let gap = timeout(LONG, later.ledger.wait_for_gap()).await.unwrap();
    assert_eq!((gap.from.epoch(), gap.reason), (position.epoch(), GapReason::Unavailable));
    assert_eq!(later.publish(1).await, Position::new(position.epoch(), 2));
    assert_eq!(later.ledger.wait_for_events(1).await.len(), 1, "none that came before is given again");
}
