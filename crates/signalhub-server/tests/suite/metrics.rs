//! The page of metrics: that its sums hold, and that the page for operators explains it.

use std::time::Duration;

use crate::common::{Running, configuration, send};
use futures_util::{SinkExt, StreamExt};
use http::Request;
use http_body_util::Full;
use serde_json::json;
use signalhub::CloseReason;
use signalhub::connections::{DeliveryOutcome, TransportKind};
use signalhub_client::Client;

async fn page(node: &Running) -> String {
    send(Request::get(format!("{}/metrics", node.internal)).body(Full::default()).unwrap()).await.text
}

async fn subscriber(node: &Running, seconds: u64) -> Client {
    let token = node.token(|token| token.lifetime = Duration::from_secs(seconds));
    let client = Client::connect(&node.hub(), Some(&token)).await.unwrap();
    client.invoke::<()>("Subscribe", (json!({ "e": "b" }),)).await.unwrap();
    client
}

/// A subscriber that reads nothing more.
async fn unread(node: &Running) -> impl Sized + use<> {
    let url = format!("{}?access_token={}", node.hub().replace("http", "ws"), node.token(|_| ()));
    let (mut socket, _) = tokio_tungstenite::connect_async(url).await.unwrap();
    for record in [
        r#"{"protocol":"json","version":1}"#,
        r#"{"type":1,"invocationId":"1","target":"Subscribe","arguments":[{"e":"b"}]}"#,
    ] {
        socket.send(format!("{record}\u{1e}").into()).await.unwrap();
        socket.next().await.unwrap().unwrap();
    }
    socket
}

/// Waits until this holds.
async fn until(what: &str, holds: impl Fn() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), waiting).await.unwrap_or_else(|_| panic!("{what}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_outcomes_of_deliveries_add_up_to_the_events_that_matched() {
    let more = "[auth]\nleeway = \"0s\"\n[hub]\ntransport_max_buffer_size = \"64KiB\"\ntransport_send_timeout = \"1s\"\n[events]\nwithout_resources = [\"b\"]";
    let node = Running::start(configuration(more)).await;
    let counts = || DeliveryOutcome::ALL.map(|outcome| node.counts.connections().deliveries(outcome));
    let ended = |reason| node.counts.connections().ended(reason);
    // One client leaves without a close, one expires, one reads nothing and is closed, and one reads everything.
    let (reader, _slow, gone) = (subscriber(&node, 600).await, unread(&node).await, subscriber(&node, 600).await);
    let _expiring = subscriber(&node, 2).await;
    let reading = tokio::spawn(async move { while reader.next_invocation().await.is_ok() {} });
    drop(gone);
    let event = json!({"e": "b", "p": "x".repeat(16 * 1024)}).to_string();
    assert_eq!(node.publish(&event).await.status, 202);
    until("a client expires", || ended(CloseReason::CredentialsExpired) == 1).await;
    while ended(CloseReason::SlowConsumer) == 0 {
        assert_eq!(node.publish(&event).await.status, 202);
    }
    until("nothing is in flight", || counts().iter().sum::<u64>() == node.counts.matched()).await;
    let [written, expired, refused, lost] = counts();
    assert!(written > 10 && refused > 0, "{written} written, {expired} expired, {refused} refused, {lost} gone");
    let sent = node.counts.connections().sent_bytes(TransportKind::WebSockets);
    assert!(sent > written * 16 * 1024 && node.counts.connections().received_bytes(TransportKind::WebSockets) > 0);
    let page = page(&node).await;
    assert!(page.contains(&format!("signalhub_deliveries_total{{outcome=\"written\"}} {written}\n")), "{page}");
    reading.abort();
    node.stop().await;
}

#[tokio::test]
async fn every_metric_is_explained_on_the_page_for_operators() {
    let text = include_str!("../../../../docs/operations.md");
    let node = Running::start(configuration("")).await;
    let page = page(&node).await;
    let metrics: Vec<(&str, &str)> =
        page.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' ')).collect();
    assert!(metrics.len() > 40, "{page}");
    for (name, kind) in metrics {
        let name = if kind == "counter" { format!("{name}_total") } else { name.to_owned() };
        let is_explained = [format!("`{name}`"), format!("`{name}{{")].iter().any(|written| text.contains(written));
        assert!(is_explained, "{name}");
    }
    node.stop().await;
}
