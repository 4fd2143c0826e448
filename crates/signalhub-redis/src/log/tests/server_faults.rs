//! Redis is killed, comes back with less, hangs, or drops its clients.

use super::*;

/// Lets a node find what has happened, whatever it is doing.
pub(super) async fn command(node: &Node, words: &[&str]) {
    let mut command = redis::cmd(words[0]);
    command.arg(&words[1..]);
    let mut connection = node.instances.all()[0].commands().unwrap();
    let _: redis::Value = command.query_async(&mut connection).await.unwrap();
}

async fn pair(server: &TestServer) -> [Node; 2] {
    [Node::start(server, "a").await, Node::start(server, "b").await]
}

fn same(nodes: &[Node; 2]) {
    for node in nodes {
        node.ledger.check();
    }
}

#[tokio::test]
async fn a_restart_that_keeps_the_data_loses_nothing() {
    let Some(mut server) = TestServer::with(&["--appendonly", "yes", "--appendfsync", "always"]) else { return };
    let nodes = pair(&server).await;
    for number in 0..20 {
        nodes[number % 2].publish_surely(number).await;
    }
    server.kill();
    let late = {
        let broker = nodes[0].broker.clone();
        tokio::spawn(async move { broker.publish(event(99)).await })
    };
    server.restart();
    // Depending on when it came, it was published, or refused.
    let is_published = late.await.unwrap().is_ok();
    for number in 20..40 {
        nodes[number % 2].publish_surely(number).await;
    }
    for node in &nodes {
        node.ledger.wait_for_events(40 + usize::from(is_published)).await;
        assert_eq!(node.ledger.gaps(), []);
    }
    same(&nodes);
}

#[tokio::test]
async fn a_restart_without_data_is_told_as_a_gap_and_goes_on() {
    let Some(mut server) = TestServer::start() else { return };
    let nodes = pair(&server).await;
    for number in 0..20 {
        nodes[number % 2].publish(number).await;
    }
    for node in &nodes {
        node.ledger.wait_for_events(20).await;
    }
    let before = nodes[0].broker.bounds(&name()).position();
    server.kill();
    server.restart();
    let gaps = [nodes[0].ledger.wait_for_gap().await, nodes[1].ledger.wait_for_gap().await];
    assert_eq!(gaps[0], gaps[1], "both have the same new epoch");
    assert_eq!((gaps[0].from, gaps[0].reason), (before, GapReason::Epoch));
    assert_eq!(nodes[0].publish_surely(20).await, gaps[0].first.unwrap());
    for node in &nodes {
        node.ledger.wait_for_events(21).await;
        assert_eq!(node.log.cluster_counts().forks, 1);
    }
    same(&nodes);
}

#[tokio::test]
async fn flushed_keys_are_found_by_the_next_publish() {
    let Some(server) = TestServer::start() else { return };
    let nodes = pair(&server).await;
    for number in 0..5 {
        nodes[0].publish(number).await;
    }
    nodes[1].ledger.wait_for_events(5).await;
    command(&nodes[0], &["FLUSHALL"]).await;
    nodes[1].publish(5).await;
    for node in &nodes {
        node.ledger.wait_for_events(6).await;
        assert_eq!(node.ledger.gaps().len(), 1);
    }
    same(&nodes);
}

#[tokio::test]
async fn flushed_keys_are_found_without_a_publish() {
    let Some(server) = TestServer::start() else { return };
    let nodes = pair(&server).await;
    nodes[0].publish(0).await;
    nodes[1].ledger.wait_for_events(1).await;
    command(&nodes[0], &["FLUSHALL"]).await;
    let gaps = [nodes[0].ledger.wait_for_gap().await, nodes[1].ledger.wait_for_gap().await];
    assert_eq!(gaps[0], gaps[1]);
    same(&nodes);
}

#[tokio::test]
async fn a_position_from_before_the_first_event_is_of_another_epoch_when_redis_has_lost_its_data() {
    let Some(mut server) = TestServer::start() else { return };
    let nodes = pair(&server).await;
    let (known, new) = (name(), EventName::new("shop.opened"));
    let before = nodes[0].broker.bounds(&new).position();
    assert_eq!(nodes[0].publish(0).await.epoch(), before.epoch());
    nodes[1].ledger.wait_for_events(1).await;
    server.kill();
    server.restart();
    for node in &nodes {
        node.ledger.wait_for_gap().await;
        assert_ne!(node.broker.bounds(&new).epoch, before.epoch());
        assert_ne!(node.broker.bounds(&known).epoch, before.epoch());
    }
    assert_eq!(nodes[0].broker.bounds(&new), nodes[1].broker.bounds(&new));
    assert_ne!(nodes[0].broker.bounds(&new).epoch, nodes[0].broker.bounds(&known).epoch);
}

#[tokio::test]
async fn a_removed_stream_is_a_gap_only_for_what_was_not_read() {
    let Some(server) = TestServer::start() else { return };
    let nodes = pair(&server).await;
    for number in 0..5 {
        nodes[0].publish(number).await;
    }
    nodes[1].ledger.wait_for_events(5).await;
    // As if the memory of the server was full.
    command(&nodes[0], &["DEL", "signalhub:e:shop.changed"]).await;
    nodes[1].publish(5).await;
    for node in &nodes {
        node.ledger.wait_for_events(6).await;
        assert_eq!(node.ledger.gaps(), []);
    }
    // As if its description was removed: the positions cannot be continued.
    command(&nodes[0], &["DEL", "signalhub:m:shop.changed"]).await;
    nodes[1].publish(6).await;
    for node in &nodes {
        node.ledger.wait_for_events(7).await;
        assert_eq!(node.ledger.gaps().len(), 1);
    }
    same(&nodes);
}

#[tokio::test]
async fn events_that_were_removed_before_a_node_has_read_them_are_a_gap() {
    let Some(server) = TestServer::start() else { return };
    let nodes = pair(&server).await;
    nodes[0].publish(0).await;
    nodes[1].ledger.wait_for_events(1).await;
    // In one step, so that no reader sees the events between.
    let script = "local e = redis.call('hget', KEYS[1], 'e') for o = 2, 9 do redis.call('hset', KEYS[1], 's', o) \
        redis.call('xadd', KEYS[2], o .. '-0', 'v', '1', 'i', '00000000000000ff-' .. o, 'a', '1', 'p', e, 'd', ARGV[1]) end \
        return redis.call('xtrim', KEYS[2], 'MINID', 7)";
    let entry = entry::encode(&event(1), None);
    let mut connection = nodes[0].instances.all()[0].commands().unwrap();
    let mut invocation = redis::cmd("EVAL");
    invocation.arg(script).arg(2).arg("signalhub:m:shop.changed").arg("signalhub:e:shop.changed").arg(entry);
    let _: u64 = invocation.query_async(&mut connection).await.unwrap();
    for node in &nodes {
        let events = node.ledger.wait_for_events(4).await;
        assert_eq!(events.iter().map(|(position, _)| position.offset()).collect::<Vec<_>>(), [1, 7, 8, 9]);
        let gap = node.ledger.gaps()[0];
        assert_eq!((gap.reason, gap.from.offset()), (GapReason::Trimmed, 1));
        assert_eq!(gap.first.map(|first| first.offset()), Some(7));
    }
    same(&nodes);
}

#[tokio::test]
async fn clients_that_the_server_drops_lose_nothing() {
    let Some(server) = TestServer::start() else { return };
    let nodes = pair(&server).await;
    for round in 0..5 {
        let publishing = async {
            for number in 0..20 {
                nodes[number % 2].publish_surely(round * 20 + number).await;
            }
        };
        let dropping = async {
            let mut connection = nodes[0].instances.all()[0].commands().unwrap();
            let mut kill = redis::cmd("CLIENT");
            kill.arg("KILL").arg("TYPE").arg("normal").arg("SKIPME").arg("no");
            // Its own connection ends, too.
            let _: Result<redis::Value, _> = kill.query_async(&mut connection).await;
        };
        tokio::join!(publishing, dropping);
        timeout(LONG, nodes[0].instances.all()[0].connected(Link::Commands)).await.unwrap();
    }
    for node in &nodes {
        node.ledger.wait_for_events(100).await;
        assert_eq!((node.ledger.events().len(), node.ledger.gaps()), (100, vec![]));
    }
    same(&nodes);
}

#[tokio::test]
async fn a_server_that_hangs_doubles_nothing() {
    let Some(server) = TestServer::start() else { return };
    let nodes = pair(&server).await;
    nodes[0].publish(0).await;
    server.hang();
    let publishers: Vec<_> = (1..9)
        .map(|number| {
            let broker = nodes[number % 2].broker.clone();
            tokio::spawn(async move { broker.publish(event(number)).await })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(1_300)).await;
    server.go_on();
    let mut published = HashMap::new();
    for publisher in publishers {
        match publisher.await.unwrap() {
            Ok(receipt) => drop(published.insert(receipt.id, receipt.position)),
            Err(error) => assert_eq!(error, PublishError::Shared(SharedPublishError::Unknown)),
        }
    }
    let last = nodes[1].publish_surely(9).await;
    for node in &nodes {
        let events = loop {
            let events = node.ledger.events();
            if events.last().is_some_and(|(position, _)| *position == last) {
                break events;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        };
        for (id, position) in &published {
            assert!(events.contains(&(*position, *id)), "an answered event is there, at its position");
        }
    }
    same(&nodes);
}

#[tokio::test]
async fn a_publish_without_redis_is_refused_in_time_and_was_not_published() {
    let Some(mut server) = TestServer::start() else { return };
    let node = Node::start(&server, "a").await;
    node.publish(0).await;
    server.kill();
    let mut states = node.instances.all()[0].states();
    let is_lost = |states: &crate::link::LinkStates| states[0] == crate::link::LinkState::Disconnected;
    timeout(LONG, states.wait_for(is_lost)).await.unwrap().unwrap();
    let begun = Instant::now();
    let refused = node.broker.publish(event(1)).await.unwrap_err();
    assert_eq!(refused, PublishError::Shared(SharedPublishError::Unavailable));
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert_eq!(
        node.broker.read(&name(), Position::new(node.broker.bounds(&name()).epoch, 0), 1).await.unwrap().events.len(),
        1
    );
    server.restart();
    node.publish_surely(2).await;
    assert_eq!(node.ledger.wait_for_events(2).await.len(), 2);
    assert!(node.log.cluster_counts().publish_retries > 0);
}

#[tokio::test]
async fn an_event_of_a_newer_format_stops_the_reader_and_is_not_skipped() {
    let Some(server) = TestServer::start() else { return };
    let node = Node::start(&server, "a").await;
    let position = node.publish(0).await;
    command(&node, &["HSET", "signalhub:m:shop.changed", "s", "2"]).await;
    let epoch = position.epoch().to_string();
    let id = "00000000000000ff-1";
    let add = ["XADD", "signalhub:e:shop.changed", "2-0", "v", "9", "i", id, "a", "1", "p", &epoch, "d", "?"];
    let mut states = node.instances.all()[0].states();
    command(&node, &add).await;
    let is_lost =
        |states: &crate::link::LinkStates| states[Link::Reader as usize] == crate::link::LinkState::Disconnected;
    timeout(LONG, states.wait_for(is_lost)).await.unwrap().unwrap();
    assert_eq!(node.broker.bounds(&name()).top, 1);
    assert_eq!(node.ledger.gaps(), []);
    let is_back = |states: &crate::link::LinkStates| states[Link::Reader as usize] == crate::link::LinkState::Connected;
    let back = timeout(Duration::from_secs(3), states.wait_for(is_back)).await;
    assert!(back.is_err(), "it stays severed");
}

#[tokio::test]
async fn bytes_that_are_no_event_are_a_gap_of_one() {
    let Some(server) = TestServer::start() else { return };
    let node = Node::start(&server, "a").await;
    let position = node.publish(0).await;
    command(&node, &["HSET", "signalhub:m:shop.changed", "s", "2"]).await;
    let epoch = position.epoch().to_string();
    let add = [
        "XADD",
        "signalhub:e:shop.changed",
        "2-0",
        "v",
        "1",
        "i",
        "00000000000000ff-1",
        "a",
        "1",
        "p",
        &epoch,
        "d",
        "?",
    ];
    command(&node, &add).await;
    let gap = node.ledger.wait_for_gap().await;
    assert_eq!((gap.reason, gap.from), (GapReason::Unavailable, position));
    assert_eq!(node.publish(1).await.offset(), 3);
    node.ledger.wait_for_events(2).await;
    node.ledger.check();
}

#[tokio::test]
async fn what_no_node_writes_for_one_name_stops_no_other() {
    let Some(server) = TestServer::start() else { return };
    let nodes = pair(&server).await;
    let (events, meta) = ("signalhub:e:shop.changed", "signalhub:m:shop.changed");
    let epoch = "00000000000000aa";
    let wrong: [(&str, &[&[&str]]); 6] = [
        ("another type in place of its events", &[&["HSET", meta, "e", epoch, "s", "1"], &["SET", events, "x"]]),
        ("another type in place of its description", &[&["SET", meta, "x"]]),
        ("no epoch", &[&["HSET", meta, "e", "zz", "s", "1"]]),
        ("no offset", &[&["HSET", meta, "e", epoch, "s", "-1"]]),
        ("an offset that no script gives", &[&["HSET", meta, "e", epoch, "s", "18446744073709551615"]]),
        ("no event", &[&["HSET", meta, "e", epoch, "s", "1"], &["XADD", events, "1-0", "x", "y"]]),
    ];
    for (number, (what, commands)) in wrong.into_iter().enumerate() {
        let name = format!("wrong.{number}");
        let key = |text: &str| text.replace("shop.changed", &name);
        for words in commands {
            let words: Vec<_> = words.iter().map(|word| key(word)).collect();
            command(&nodes[0], &words.iter().map(String::as_str).collect::<Vec<_>>()).await;
        }
        command(&nodes[0], &["XADD", "signalhub:names", "*", "m", &key(meta)]).await;
        for node in &nodes {
            node.publish(number).await;
        }
        for node in &nodes {
            let read = timeout(LONG, node.ledger.wait_for_events(2 * number + 2)).await;
            assert!(read.is_ok(), "{what}");
            assert_eq!(node.ledger.gaps(), [], "{what}");
        }
    }
}

#[tokio::test]
async fn a_name_is_read_again_when_it_is_mended() {
    let Some(server) = TestServer::start() else { return };
    let nodes = pair(&server).await;
    let meta = "signalhub:m:shop.changed";
    command(&nodes[0], &["SET", meta, "x"]).await;
    command(&nodes[0], &["XADD", "signalhub:names", "*", "m", meta]).await;
    assert!(nodes[0].broker.publish(event(0)).await.is_err());
    command(&nodes[0], &["DEL", meta]).await;
    nodes[0].publish(1).await;
    for node in &nodes {
        timeout(LONG, node.ledger.wait_for_events(1)).await.unwrap();
    }
}
