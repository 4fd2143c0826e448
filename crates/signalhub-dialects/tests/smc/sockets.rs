//! Subscriptions on the sockets, and what events and heartbeats look like there.

use futures_util::SinkExt;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

use crate::support::*;

/// The event of an element of version 7.2.
fn event(running: &Running, change: &str, element: &str, id: u64) -> String {
    let href = format!("{}/elements/{element}", running.url());
    format!(r#"{{"event":{{"type":"{change}","element":"{href}"}},"subscription_id":{id}}}"#)
}

#[tokio::test]
async fn names_and_lists_choose_what_a_client_gets() {
    let running = start().await;
    let cookie = running.log_in(KEY).await;
    for (context, hosts, networks, routers) in [
        ("*", true, true, true),
        ("", true, true, true),
        ("host", true, false, false),
        ("host,router", true, false, true),
        ("host, router", true, false, true),
        ("network,host,router", true, true, true),
    ] {
        let mut client = running.open(&cookie).await;
        assert_eq!(client.subscribe(context).await, 0);
        for (element_type, is_wanted) in [("host", hosts), ("network", networks), ("router", routers)] {
            let matched = running.publish(changed(element_type, 2, 3, "")).await.matched;
            assert_eq!(matched, usize::from(is_wanted), "{context}: {element_type}");
            if is_wanted {
                assert_eq!(client.text().await, event(&running, "update", &format!("{element_type}/3"), 0));
            }
        }
        client.got_nothing().await;
        drop(client);
        running.counts.emptied().await;
    }
}

#[tokio::test]
async fn every_event_type_reaches_clients_as_it_was_published() {
    let running = start().await;
    let mut client = running.open(&running.log_in(KEY).await).await;
    client.subscribe("*").await;
    for (action, change) in [
        (1, "create"),
        (2, "update"),
        (3, "delete"),
        (3, "trashed"),
        (1, "untrashed"),
        (2, "validating"),
        (2, "validated"),
    ] {
        running.publish(changed("host", action, 1732, &format!(r#","type":"{change}""#))).await;
        assert_eq!(client.text().await, event(&running, change, "host/1732", 0));
    }
}

#[tokio::test]
async fn overlapping_subscriptions_get_a_message_each_and_ids_count_per_connection() {
    let running = start().await;
    let cookie = running.log_in(KEY).await;
    let (mut one, mut two) = (running.open(&cookie).await, running.open(&cookie).await);
    // The answers tell the ids, because clients may send commands in any order.
    for (id, context) in ["*", "host", "network", "host"].into_iter().enumerate() {
        assert_eq!(one.subscribe(context).await, id as u64);
    }
    assert_eq!(two.subscribe("host").await, 0);
    running.publish(changed("host", 1, 5, "")).await;
    let mut messages = vec![one.text().await, one.text().await, one.text().await];
    messages.sort();
    assert_eq!(messages, [0, 1, 3].map(|id| event(&running, "create", "host/5", id)));
    assert_eq!(two.text().await, event(&running, "create", "host/5", 0));
    one.got_nothing().await;
    two.got_nothing().await;
}

#[tokio::test]
async fn operators_find_each_subscription_of_a_socket_by_its_account() {
    let running = start().await;
    let cookie = running.log_in(KEY).await;
    let mut client = running.open(&cookie).await;
    client.subscribe("host").await;
    client.subscribe("*").await;
    let found = running.broker.attached_clients(10, |client| client.user.is_some()).await;
    assert_eq!(found.len(), 2);
    assert_eq!(found[0].client, found[1].client);
    assert_eq!(found.iter().map(|found| found.filters.len()).collect::<Vec<_>>(), [1, 1]);
}

#[tokio::test]
async fn an_ended_subscription_gets_nothing_more_and_its_id_is_not_used_again() {
    let running = start().await;
    let mut client = running.open(&running.log_in(KEY).await).await;
    client.subscribe("host").await;
    client.subscribe("*").await;
    assert_eq!(client.ask(r#"{"unsubscribe":0}"#).await, r#"{"success":"Unsubscribed","subscription_id":0}"#);
    for id in [0, 7] {
        let answer = client.ask(&format!(r#"{{"unsubscribe":{id}}}"#)).await;
        assert_eq!(answer, format!(r#"{{"failure":"Unknown subscription_id {id}"}}"#));
    }
    assert_eq!(client.subscribe("network").await, 2);
    assert_eq!(running.publish(changed("host", 1, 5, "")).await.matched, 1);
    assert_eq!(client.text().await, event(&running, "create", "host/5", 1));
    client.got_nothing().await;
}

#[tokio::test]
async fn versions_up_to_6_5_get_arrays_of_events() {
    let running = start().await;
    let cookie = running.log_in(KEY).await;
    let mut client = running.open_with("6.5", &[("Cookie", &cookie)]).await.unwrap();
    client.subscribe("host").await;
    running.publish(changed("host", 1, 5, "")).await;
    let href = format!("http://{}/6.5/elements/host/5", running.address);
    let expected = format!(r#"{{"events":[{{"type":"create","element":"{href}"}}],"subscription_id":0}}"#);
    assert_eq!(client.text().await, expected);
}

#[tokio::test]
async fn organisations_and_types_bound_what_a_session_sees() {
    let running = start().await;
    let mut everyone = running.open(&running.log_in(KEY).await).await;
    let mut north = running.open(&running.log_in(NORTH_KEY).await).await;
    everyone.subscribe("*").await;
    north.subscribe("*").await;
    let refused = north.ask(r#"{"context": "network"}"#).await;
    assert!(refused.starts_with(r#"{"failure":"unknown element type \"network\""#), "{refused}");
    assert!(refused.ends_with(r#"or a list of host"}"#), "it names only types that the account sees: {refused}");
    running.publish(changed("network", 1, 1, "")).await;
    running.publish(changed("host", 1, 2, "").with_organisation("north".into())).await;
    running.publish(changed("host", 1, 3, "").with_organisation("south".into())).await;
    running.publish(changed("host", 1, 4, "")).await;
    for element in ["network/1", "host/4"] {
        assert_eq!(everyone.text().await, event(&running, "create", element, 0));
    }
    for element in ["host/2", "host/4"] {
        assert_eq!(north.text().await, event(&running, "create", element, 0));
    }
    everyone.got_nothing().await;
    north.got_nothing().await;
}

#[tokio::test]
async fn heartbeats_are_empty_objects_and_the_server_never_pings() {
    let running = start().await;
    let mut client = running.open(&running.log_in(KEY).await).await;
    client.subscribe("host").await;
    for _ in 0..5 {
        pass_seconds(32).await;
        assert_eq!(client.next().await, Message::text("{}"));
    }
    client.got_nothing().await;
}

#[tokio::test]
async fn compression_is_not_used_and_fragments_are_joined() {
    let running = start().await;
    let cookie = running.log_in(KEY).await;
    let headers = [("Cookie", cookie.as_str()), ("Sec-WebSocket-Extensions", "permessage-deflate")];
    // Its client fails if the server accepts an extension.
    let mut client = running.open_with("7.2", &headers).await.unwrap();
    for (piece, opcode, is_last) in
        [(r#"{"cont"#, Data::Text, false), (r#"ext": "#, Data::Continue, false), (r#""host"}"#, Data::Continue, true)]
    {
        let frame = Frame::message(piece.as_bytes().to_vec(), OpCode::Data(opcode), is_last);
        client.0.send(Message::Frame(frame)).await.unwrap();
    }
    assert!(client.text().await.contains(r#""context":"host""#));
}

#[tokio::test]
async fn a_server_that_stops_closes_its_sockets() {
    let running = start().await;
    let mut client = running.open(&running.log_in(KEY).await).await;
    client.subscribe("*").await;
    running.stop.send(()).unwrap();
    assert_eq!(client.closed().await, (1001, "the server stops".to_owned()));
    drop(client);
    running.stopped.await.unwrap().unwrap();
    assert_eq!(running.broker.subscriber_count(), 0);
}

#[tokio::test]
async fn a_wrong_payload_is_not_published() {
    let running = start().await;
    let wrong = changed("host", 1, 5, r#","x":1"#);
    let refused = running.broker.publish(wrong).await.unwrap_err().to_string();
    assert!(
        refused.contains("unknown field `x`") && refused.contains("expected {\"n\": the element type"),
        "{refused}"
    );
    let unknown = running.broker.publish(changed("vpn", 1, 5, "")).await.unwrap_err().to_string();
    assert!(unknown.contains("unknown element type \"vpn\""), "{unknown}");
}
