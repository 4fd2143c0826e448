//! Clients that do not behave.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use signalhub_connections::CloseReason;
use signalhub_dialects::printfactory::DEVICE_CHANGED;
use tokio_tungstenite::tungstenite::Message;

use crate::support::{start, start_with, until};

const DEVICE: &str = "8F1D80AB-06D5-43F8-A015-20347D9DE22C";

fn message(text: &str) -> String {
    format!("{{\"DeviceGUID\":\"{DEVICE}\",\"Message\":\"{text}\"}}")
}

#[tokio::test]
async fn what_a_client_sends_is_ignored_up_to_a_size() {
    let dialect = start().await;
    let mut client = dialect.connect(&dialect.key("acme", "ann")).await;
    for sent in [Message::text(""), Message::text("{\"JobGUID\":1}"), Message::binary(vec![0; 1000])] {
        client.0.send(sent).await.unwrap();
    }
    client.0.send(Message::text("x".repeat(16 * 1024))).await.unwrap();
    client.0.send(Message::Ping(vec![7].into())).await.unwrap();
    let pong = client.0.next().await.unwrap().unwrap();
    assert_eq!(pong, Message::Pong(vec![7].into()));
    dialect.publish(DEVICE_CHANGED, message("a"), "acme").await;
    assert_eq!(client.text().await, message("a"));
    client.0.send(Message::text("x".repeat(16 * 1024 + 1))).await.unwrap();
    assert_eq!(client.closed().await.0, 1009);
}

#[tokio::test]
async fn a_huge_frame_ends_its_connection_before_it_is_read() {
    let dialect = start().await;
    let key = dialect.key("acme", "ann");
    let mut client = dialect.connect(&key).await;
    let header = [0x82, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4];
    tokio::io::AsyncWriteExt::write_all(client.0.get_mut(), &header).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(client.0.get_mut(), &[0; 20 * 1024]).await.unwrap();
    assert_eq!(client.closed().await.0, 1009);
}

#[tokio::test]
async fn a_client_that_never_reads_is_closed_and_others_are_not_held_up() {
    let limit = |endpoint: signalhub_connections::Endpoint| endpoint.queue_limit(256 * 1024);
    let dialect = start_with(|dialect| dialect, limit).await;
    let stuck = dialect.connect(&dialect.key("acme", "ann")).await;
    let mut reading = dialect.connect(&dialect.key("other", "ann")).await;
    let text = message(&"x".repeat(60_000));
    for _ in 0..400 {
        dialect.publish(DEVICE_CHANGED, text.as_str(), "acme").await;
        dialect.publish(DEVICE_CHANGED, text.as_str(), "other").await;
        assert_eq!(reading.text().await, text);
        if dialect.counts.ended(CloseReason::SlowConsumer) > 0 {
            break;
        }
    }
    until(|| dialect.counts.ended(CloseReason::SlowConsumer) == 1).await;
    assert_eq!(dialect.counts.active(), 1);
    drop(stuck);
}

/// Moves the clock of the runtime forward, one tick of the server after another.
async fn pass(seconds: u32) {
    for _ in 0..seconds {
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(1)).await;
        tokio::time::resume();
        for _ in 0..8 {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn a_client_is_pinged_every_30_s_and_closed_when_it_is_silent_for_90_s() {
    let dialect = start().await;
    let mut answering = dialect.connect(&dialect.key("acme", "ann")).await;
    let mut silent = dialect.connect(&dialect.key("other", "ann")).await;
    for round in 1..=3 {
        assert_eq!(dialect.counts.ended(CloseReason::ClientTimeout), 0, "round {round}");
        pass(31).await;
        // The library answers the ping while it reads. The pong to its own ping shows that the server has read the answer.
        assert!(matches!(answering.0.next().await, Some(Ok(Message::Ping(_)))), "round {round}");
        answering.0.send(Message::Ping(vec![7].into())).await.unwrap();
        assert!(matches!(answering.0.next().await, Some(Ok(Message::Pong(_)))), "round {round}");
    }
    assert_eq!(silent.closed().await, (1008, "no answer to pings".to_owned()));
    drop(silent);
    until(|| dialect.counts.active() == 1).await;
    assert_eq!(dialect.counts.ended(CloseReason::ClientTimeout), 1);
    dialect.publish(DEVICE_CHANGED, message("a"), "acme").await;
    assert_eq!(answering.text().await, message("a"));
}
