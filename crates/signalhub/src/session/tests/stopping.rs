//! What sessions do when the server stops.

use super::*;

#[tokio::test]
async fn a_stopping_server_sends_no_close_message() {
    let (hub, _shared, _left) = hub();
    let client = Client::shaken(&hub.build()).await;
    client.peer.drain();
    assert_eq!(client.ends().await, CloseReason::ServerShutdown);
}

#[tokio::test]
async fn a_stopping_server_sends_a_close_message_if_configured() {
    let (hub, _shared, _left) = hub();
    let mut client =
        Client::shaken(&hub.configure(|options| options.shutdown_message = ShutdownMessage::Close).build()).await;
    client.peer.drain();
    assert_eq!(client.next().await, "{\"type\":7,\"allowReconnect\":true}");
    assert_eq!(client.ends().await, CloseReason::ServerShutdown);
}

#[tokio::test]
async fn a_running_call_is_answered_before_its_connection_ends() {
    let (hub, shared, _left) = hub();
    let mut client = Client::shaken(&hub.build()).await;
    client.call("1", "Wait", &json!(["a"]));
    client.call("2", "Echo", &json!(["b"]));
    tokio::task::yield_now().await;
    client.peer.drain();
    tokio::task::yield_now().await;
    shared.gate.add_permits(1);
    client.completes("1", "\"result\":\"a\"").await;
    assert_eq!(client.ends().await, CloseReason::ServerShutdown);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_does_not_end_delays_a_stop_for_the_grace_period_only() {
    let (hub, _shared, _left) = hub();
    let mut client = Client::shaken(&hub.build()).await;
    client.call("1", "Wait", &json!(["a"]));
    tokio::task::yield_now().await;
    client.peer.drain();
    tokio::task::yield_now().await;
    client.peer.tick();
    tokio::task::yield_now().await;
    assert_eq!(client.peer.close_reason(), None);
    for _ in 0..3 {
        tokio::time::advance(Duration::from_secs(1)).await;
        client.peer.tick();
    }
    assert_eq!(client.ends().await, CloseReason::ServerShutdown);
}
