//! Calls of one client: their order, their ids, and the client timeout.

use std::time::Duration;

use crate::support::{Client, Events, Shared, failed, idle, invoking, result, seconds};
use serde_json::{Value, json};
use signalhub::{Args, CloseReason, Hub, HubBuilder, HubError, State};

async fn wait(State(shared): State<Shared>, Args((name,)): Args<(String,)>) -> Result<String, HubError> {
    let _guard = shared.alive.guard();
    shared.record(format!("begun {name}"));
    shared.wait().await?;
    shared.record(format!("done {name}"));
    Ok(name)
}

fn hub() -> (HubBuilder<Shared>, Shared, Events) {
    let (shared, events) = Shared::new();
    let hub = Hub::builder()
        .state(shared.clone())
        .method("Echo", async |Args((value,)): Args<(Value,)>| Ok(value))
        .method("Wait", wait)
        .method("Panic", async || -> Result<(), HubError> { panic!("on purpose") });
    (hub, shared, events)
}

#[tokio::test(start_paused = true)]
async fn calls_start_in_order_and_are_answered_as_they_end() {
    for (limit, begin) in [(1, 1), (2, 2), (5, 3)] {
        let (hub, shared, mut events) = hub();
        let hub = hub.configure(|options| options.maximum_parallel_invocations_per_client = limit).build();
        let mut client = Client::connect(&hub).await;
        for name in ["0", "1", "2"] {
            client.call(name, "Wait", &json!([name]));
        }
        for i in 0..begin {
            assert_eq!(events.next().await, format!("begun {i}"));
        }
        idle().await;
        assert!(events.none(), "more than {limit} calls run");
        for i in 0..3 {
            shared.let_through(1);
            client.receives([result(&i.to_string(), &json!(i.to_string()))]).await;
            assert_eq!(events.next().await, format!("done {i}"));
            if begin + i < 3 {
                assert_eq!(events.next().await, format!("begun {}", begin + i));
            }
        }
        assert_eq!(shared.alive.count(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn calls_may_share_an_id() {
    let (hub, shared, _events) = hub();
    let mut client =
        Client::connect(&hub.configure(|options| options.maximum_parallel_invocations_per_client = 2).build()).await;
    client.call("1", "Wait", &json!(["a"]));
    client.call("1", "Wait", &json!(["b"]));
    shared.let_through(2);
    client.receives([result("1", &json!("a")), result("1", &json!("b"))]).await;
}

#[tokio::test(start_paused = true)]
async fn a_panic_ends_its_call_and_nothing_else() {
    let (hub, shared, mut events) = hub();
    let hub = hub.configure(|options| options.maximum_parallel_invocations_per_client = 2).build();
    let mut client = Client::connect(&hub).await;
    client.call("1", "Wait", &json!(["a"]));
    assert_eq!(events.next().await, "begun a");
    for id in ["2", "3"] {
        client.call(id, "Panic", &json!([]));
        client.receives([failed(id, &invoking("Panic", ""))]).await;
    }
    client.say(&json!({"type": 1, "target": "Panic", "arguments": []}));
    client.round_trip().await;
    shared.let_through(1);
    client.receives([result("1", &json!("a"))]).await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_sends_pings_does_not_time_out_while_its_call_runs() {
    // The pings are read, or wait behind a call, or stay in the transport because too much waits.
    for behind in [0, 1, 1000] {
        let (hub, shared, _events) = hub();
        let mut client =
            Client::connect(&hub.configure(|options| options.keep_alive_interval = Duration::MAX).build()).await;
        client.say(&json!({"type": 6}));
        client.call("a", "Wait", &json!(["a"]));
        for _ in 0..behind {
            client.call("b", "Echo", &json!(["x".repeat(100)]));
        }
        for _ in 0..10 {
            seconds(&client, 25).await;
            client.say(&json!({"type": 6}));
        }
        shared.let_through(1);
        client.receives([result("a", &json!("a"))]).await;
        for _ in 0..behind {
            client.receives([result("b", &json!("x".repeat(100)))]).await;
        }
        client.round_trip().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_client_times_out_while_its_call_runs() {
    // While reading is blocked, the timeout is four times as long.
    for (behind, least) in [(0, 29), (1, 119), (10, 119)] {
        let (hub, _shared, _events) = hub();
        let mut client =
            Client::connect(&hub.configure(|options| options.keep_alive_interval = Duration::MAX).build()).await;
        client.say(&json!({"type": 6}));
        client.call("a", "Wait", &json!(["a"]));
        for _ in 0..behind {
            client.call("b", "Echo", &json!(["b"]));
        }
        idle().await;
        seconds(&client, least).await;
        assert_eq!(client.peer.close_reason(), None);
        seconds(&client, 2).await;
        let close = json!({"type": 7, "error": "Connection closed with an error.", "allowReconnect": true});
        client.receives([close]).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_sent_before_the_end_is_read_however_much_it_is() {
    let (hub, shared, mut events) = hub();
    let mut client = Client::connect(&hub.build()).await;
    let names: Vec<String> = (0..6).map(|number| number.to_string().repeat(25_000)).collect();
    for name in &names {
        client.say(&json!({"type": 1, "target": "Wait", "arguments": [name]}));
        idle().await;
    }
    client.peer.end(CloseReason::ClientClosed);
    for name in &names {
        assert_eq!(events.next().await, format!("begun {name}"));
        shared.let_through(1);
        assert_eq!(events.next().await, format!("done {name}"));
    }
}
