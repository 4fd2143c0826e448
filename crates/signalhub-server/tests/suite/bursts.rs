//! Bursts within the limits of publishing, and clients that read them as fast as they can.

use crate::common::{Running, configuration};
use serde_json::json;
use signalhub_client::Client;

/// Publishes batches and tells how many of their events matched a subscriber.
async fn burst(node: &Running, batches: usize, events: usize, size: usize) -> usize {
    let batch = json!(vec![json!({"e": "b", "p": "x".repeat(size)}); events]).to_string();
    let mut matched = 0;
    for _ in 0..batches {
        let answer = node.publish(&batch).await;
        assert_eq!(answer.status, 200);
        matched += answer.body.as_array().unwrap().iter().filter(|receipt| receipt["matched"] == 1).count();
    }
    matched
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_reads_receives_every_event_of_a_burst() {
    for (batches, events, size, more) in [
        (4, 1000, 900, ""),
        (30, 100, 2000, ""),
        (10, 10, 90_000, ""),
        // More than the queue holds: publishers wait.
        (30, 100, 2000, "[hub]\ntransport_max_buffer_size = \"2MiB\""),
    ] {
        let node = Running::start(configuration(&format!("{more}\n[events]\nwithout_resources = [\"b\"]"))).await;
        let client = Client::connect(&node.hub(), Some(&node.token(|_| ()))).await.unwrap();
        client.invoke::<()>("Subscribe", (json!({ "e": "b" }),)).await.unwrap();
        let reading = tokio::spawn(async move {
            for _ in 0..batches * events {
                client.next_invocation().await.expect("a client that reads is not closed");
            }
        });
        assert_eq!(burst(&node, batches, events, size).await, batches * events, "{batches} x {events} x {size}");
        tokio::time::timeout(std::time::Duration::from_secs(60), reading).await.unwrap().unwrap();
        node.stop().await;
    }
}
