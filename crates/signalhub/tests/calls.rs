//! Plain calls of one client, beside and behind each other.

mod support;

use std::time::Duration;

use serde_json::{Value, json};
use signalhub::{Args, Hub, HubBuilder, HubError, State};
use support::{Client, Events, Shared, failed, idle, invoking, result};

async fn wait(State(shared): State<Shared>, Args((name,)): Args<(String,)>) -> Result<String, HubError> {
    let _guard = shared.alive.guard();
    shared.tell(format!("begun {name}"));
    shared.wait().await?;
    shared.tell(format!("done {name}"));
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
async fn calls_begin_in_order_and_end_as_they_do() {
    for (limit, begin) in [(1, 1), (2, 2), (5, 3)] {
        let (hub, shared, mut events) = hub();
        let hub = hub.maximum_parallel_invocations_per_client(limit).build();
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
            client.hears([result(&i.to_string(), &json!(i.to_string()))]).await;
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
    let mut client = Client::connect(&hub.maximum_parallel_invocations_per_client(2).build()).await;
    client.call("1", "Wait", &json!(["a"]));
    client.call("1", "Wait", &json!(["b"]));
    shared.let_through(2);
    client.hears([result("1", &json!("a")), result("1", &json!("b"))]).await;
}

#[tokio::test(start_paused = true)]
async fn a_panic_ends_its_call_and_nothing_else() {
    let (hub, shared, mut events) = hub();
    let hub = hub.maximum_parallel_invocations_per_client(2).build();
    let mut client = Client::connect(&hub).await;
    client.call("1", "Wait", &json!(["a"]));
    assert_eq!(events.next().await, "begun a");
    for id in ["2", "3"] {
        client.call(id, "Panic", &json!([]));
        client.hears([failed(id, &invoking("Panic", ""))]).await;
    }
    client.say(&json!({"type": 1, "target": "Panic", "arguments": []}));
    client.is_heard().await;
    shared.let_through(1);
    client.hears([result("1", &json!("a"))]).await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_held_up_does_not_time_out() {
    let (hub, shared, _events) = hub();
    let mut client = Client::connect(&hub.client_timeout_interval(Duration::from_nanos(1)).build()).await;
    client.call("1", "Wait", &json!(["a"]));
    client.call("2", "Echo", &json!([2]));
    client.say(&json!({"type": 6}));
    for _ in 0..3 {
        idle().await;
        client.peer.tick();
    }
    client.hears_nothing().await;
    shared.let_through(1);
    client.hears([result("1", &json!("a")), result("2", &json!(2))]).await;
    client.peer.tick();
    let close = json!({"type": 7, "error": "Connection closed with an error.", "allowReconnect": true});
    client.hears([close]).await;
}
