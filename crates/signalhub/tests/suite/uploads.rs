//! Streams that clients send.

use crate::support::{Client, Events, Shared, ended, failed, idle, invoking, item_of, result};
use futures_util::stream::StreamExt;
use serde_json::{Value, json};
use signalhub::{Args, CloseReason, ErrorDetails, Hub, HubBuilder, HubError, Identity, Policy, State, Upload, require};

async fn sum(mut numbers: Upload<i32>) -> Result<i32, HubError> {
    let mut sum = 0;
    while let Some(number) = numbers.next().await {
        sum += number?;
    }
    Ok(sum)
}

async fn join_two(first: Upload<String>, second: Upload<String>) -> Result<String, HubError> {
    let parts: Vec<_> = first.chain(second).collect().await;
    Ok(parts.into_iter().collect::<Result<Vec<_>, _>>()?.join(","))
}

/// Reads a number each time the test opens the gate, and reports it.
async fn careful(State(shared): State<Shared>, mut numbers: Upload<i32>) -> Result<(), HubError> {
    let _guard = shared.alive.guard();
    loop {
        shared.wait().await?;
        match numbers.next().await {
            Some(Ok(number)) => shared.record(number.to_string()),
            Some(Err(error)) => {
                shared.record(format!("fault: {error}"));
                return Err(error);
            }
            None => return Ok(()),
        }
    }
}

/// Reads nothing, and ends when the test opens the gate.
async fn reads_nothing(State(shared): State<Shared>, _numbers: Upload<i32>) -> Result<&'static str, HubError> {
    shared.wait().await?;
    Ok("done")
}

/// Drops its upload, and ends when the test opens the gate.
async fn throws_away(State(shared): State<Shared>, numbers: Upload<i32>) -> Result<&'static str, HubError> {
    drop(numbers);
    shared.wait().await?;
    Ok("done")
}

/// Moves its upload to a task that outlives the method.
async fn leaves(State(shared): State<Shared>, mut numbers: Upload<i32>) -> Result<(), HubError> {
    tokio::spawn(async move {
        let _guard = shared.alive.guard();
        while numbers.next().await.is_some() {}
    });
    Ok(())
}

fn hub() -> (HubBuilder<Shared>, Shared, Events) {
    let (shared, events) = Shared::new();
    let hub = Hub::builder()
        .state(shared.clone())
        .method("Echo", async |Args((value,)): Args<(Value,)>| Ok(value))
        .method("Wait", async |State(shared): State<Shared>| shared.wait().await)
        .method("Sum", sum)
        .method("JoinTwo", join_two)
        .method("Careful", careful)
        .method("ReadsNothing", reads_nothing)
        .method("ThrowsAway", throws_away)
        .method("Leaves", leaves)
        .method("Bound", async |Args((_,)): Args<(i32,)>, numbers: Upload<i32>| sum(numbers).await)
        .method("Secret", require(Policy::new(|_| false), sum));
    (hub, shared, events)
}

#[tokio::test(start_paused = true)]
async fn an_upload_ends_with_or_without_an_error_as_the_client_says() {
    let (hidden, shown) = (ErrorDetails::Hidden, ErrorDetails::Shown);
    let failing = |detail: &str| failed("1", &invoking("Sum", detail));
    let unbound = " HubException: Failed to bind Stream message.";
    for (details, sent, outcome) in [
        (hidden, json!([]), result("1", &json!(0))),
        (hidden, json!([item_of("s", &json!(1)), item_of("s", &json!(2)), ended("s")]), result("1", &json!(3))),
        (hidden, json!([item_of("s", &json!(5)), result("s", &json!(9))]), result("1", &json!(5))),
        (hidden, json!([item_of("s", &json!(1)), failed("s", "gave up")]), failing(" HubException: gave up")),
        (shown, json!([failed("s", "gave up")]), failing(" HubException: gave up")),
        (hidden, json!([failed("s", "")]), failing(" HubException: ")),
        (hidden, json!([item_of("s", &json!("x"))]), failing(unbound)),
        (hidden, json!([item_of("s", &json!(null))]), failing(unbound)),
        (hidden, json!([item_of("s", &json!(1)), item_of("s", &json!(1.5))]), failing(unbound)),
    ] {
        let mut client = Client::connect(&hub().0.configure(|options| options.error_details = details).build()).await;
        client.call_with("1", "Sum", &["s"]);
        for message in sent.as_array().into_iter().flatten() {
            client.say(message);
        }
        client.complete("s");
        client.receives([outcome]).await;
        client.round_trip().await;
    }
}

#[tokio::test(start_paused = true)]
async fn detailed_errors_tell_why_an_item_does_not_fit() {
    let mut client =
        Client::connect(&hub().0.configure(|options| options.error_details = ErrorDetails::Shown).build()).await;
    client.call_with("1", "Sum", &["s"]);
    client.item("s", &json!("x"));
    let error = client.next().await["error"].to_string();
    assert!(error.contains("HubException: Failed to bind Stream message. JsonException: "), "{error}");
}

#[tokio::test(start_paused = true)]
async fn several_uploads_run_at_once() {
    let mut client = Client::connect(&hub().0.build()).await;
    client.call_with("1", "JoinTwo", &["a", "b"]);
    client.call_with("2", "Sum", &["2"]);
    client.call_with("3", "Sum", &["x"]);
    client.item("b", &json!("y"));
    client.item("2", &json!(20));
    client.item("x", &json!(30));
    client.item("a", &json!("x"));
    client.complete("2");
    client.receives([result("2", &json!(20))]).await;
    client.complete("a");
    client.round_trip().await;
    client.complete("b");
    client.receives([result("1", &json!("x,y"))]).await;
    client.say(&json!({"item": 3, "type": 2, "invocationId": "x"}));
    client.complete("x");
    client.receives([result("3", &json!(33))]).await;
}

#[tokio::test(start_paused = true)]
async fn a_call_with_an_upload_takes_no_slot() {
    let (hub, shared, _) = hub();
    let mut client = Client::connect(&hub.build()).await;
    client.call("slow", "Wait", &json!([]));
    client.call_with("1", "Sum", &["s"]);
    client.complete("s");
    client.receives([result("1", &json!(0))]).await;
    shared.let_through(1);
    client.receives([result("slow", &Value::Null)]).await;
}

#[tokio::test(start_paused = true)]
async fn one_item_more_than_the_buffer_holds_blocks_reading() {
    for capacity in [10, 2, 0] {
        let (hub, shared, mut events) = hub();
        let hub = if capacity == 10 { hub } else { hub.configure(|options| options.stream_buffer_capacity = capacity) };
        let mut client = Client::connect(&hub.build()).await;
        client.call_with("1", "Careful", &["s"]);
        for i in 0..capacity {
            client.item("s", &json!(i));
        }
        client.round_trip().await;
        client.item("s", &json!(capacity));
        client.call("2", "Echo", &json!([2]));
        client.complete("s");
        client.receives_nothing().await;
        shared.let_through(1);
        client.receives([result("2", &json!(2))]).await;
        assert_eq!(events.next().await, "0");
        shared.let_through(capacity + 1);
        client.receives([result("1", &Value::Null)]).await;
        for i in 1..=capacity {
            assert_eq!(events.next().await, i.to_string());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_full_upload_blocks_its_own_client_only() {
    let (hub, shared, _events) = hub();
    let hub = hub.build();
    let (mut client, mut other) = (Client::connect(&hub).await, Client::connect(&hub).await);
    client.call_with("1", "ReadsNothing", &["s"]);
    for i in 0..11 {
        client.item("s", &json!(i));
    }
    client.call("2", "Echo", &json!([2]));
    client.receives_nothing().await;
    other.round_trip().await;
    hub.clients().all().send("Hello", ()).await.expect("nothing to encode");
    client.receives([crate::support::called("Hello", &json!([]))]).await;
    shared.let_through(1);
    client.receives([result("1", &json!("done")), result("2", &json!(2))]).await;
}

/// The original closes the connection when a method ends while its upload blocks reading; this server does not.
#[tokio::test(start_paused = true)]
async fn a_method_may_end_before_its_upload_does() {
    for (sent_before, sent_after) in [(0, 5), (5, 20), (11, 0), (30, 30)] {
        let (hub, shared, _events) = hub();
        let mut client = Client::connect(&hub.build()).await;
        client.call_with("1", "ReadsNothing", &["s"]);
        for i in 0..sent_before {
            client.item("s", &json!(i));
        }
        idle().await;
        shared.let_through(1);
        client.receives([result("1", &json!("done"))]).await;
        for i in 0..sent_after {
            client.item("s", &json!(i));
        }
        client.complete("s");
        client.complete("s");
        client.round_trip().await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_upload_that_is_dropped_blocks_nothing() {
    let (hub, shared, _events) = hub();
    let mut client = Client::connect(&hub.build()).await;
    client.call_with("1", "ThrowsAway", &["s"]);
    for i in 0..30 {
        client.item("s", &json!(i));
    }
    client.round_trip().await;
    shared.let_through(1);
    client.receives([result("1", &json!("done"))]).await;
}

#[tokio::test(start_paused = true)]
async fn items_after_the_end_of_an_upload_are_ignored() {
    let mut client = Client::connect(&hub().0.build()).await;
    client.item("s", &json!(1));
    client.complete("s");
    client.call_with("1", "Sum", &["s"]);
    client.complete("s");
    client.item("s", &json!(1));
    client.item("s", &json!("of no type"));
    client.complete("s");
    client.receives([result("1", &json!(0))]).await;
    client.round_trip().await;
}

#[tokio::test(start_paused = true)]
async fn an_upload_may_have_the_id_of_its_call() {
    let mut client = Client::connect(&hub().0.build()).await;
    client.call_with("1", "Sum", &["1"]);
    client.item("1", &json!(5));
    client.complete("1");
    client.receives([result("1", &json!(5))]).await;
}

#[tokio::test(start_paused = true)]
async fn an_id_that_is_used_again_fails_the_earlier_upload() {
    let mut client = Client::connect(&hub().0.build()).await;
    client.call_with("1", "Sum", &["s"]);
    client.item("s", &json!(1));
    client.call_with("2", "Sum", &["s"]);
    client.receives([failed("1", &invoking("Sum", ""))]).await;
    client.item("s", &json!(2));
    client.complete("s");
    client.receives([result("2", &json!(2))]).await;
}

#[tokio::test(start_paused = true)]
async fn a_call_that_does_not_begin_has_no_uploads() {
    let wrong_count = |target: &str, sent, expected| {
        let detail = format!(" HubException: Client sent {sent} stream(s), Hub method expects {expected}.");
        invoking(target, &detail)
    };
    for (target, arguments, streams, error) in [
        ("Sum", json!([]), vec![], wrong_count("Sum", 0, 1)),
        ("Sum", json!([]), vec!["s", "t"], wrong_count("Sum", 2, 1)),
        ("JoinTwo", json!([]), vec!["s"], wrong_count("JoinTwo", 1, 2)),
        ("Echo", json!([1]), vec!["s"], wrong_count("Echo", 1, 0)),
        ("Bound", json!(["x"]), vec!["s"], "Failed to invoke 'Bound' due to an error on the server.".to_owned()),
        ("Secret", json!([]), vec!["s"], "Failed to invoke 'Secret' because user is unauthorized".to_owned()),
    ] {
        let mut client = Client::connect(&hub().0.build()).await;
        client.say(&json!({"type": 1, "invocationId": "1", "target": target, "arguments": arguments,
            "streamIds": streams}));
        client.receives([failed("1", &error)]).await;
        for i in 0..20 {
            client.item("s", &json!(i));
        }
        client.round_trip().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_without_an_id_may_have_an_upload() {
    let (hub, shared, mut events) = hub();
    let mut client = Client::connect(&hub.build()).await;
    client.say(&json!({"type": 1, "target": "Careful", "arguments": [], "streamIds": ["s"]}));
    client.item("s", &json!(7));
    client.complete("s");
    shared.let_through(2);
    assert_eq!(events.next().await, "7");
    client.round_trip().await;
    shared.alive.becomes(0).await;
}

#[tokio::test(start_paused = true)]
async fn a_disconnect_fails_uploads_after_their_last_item() {
    for full in [false, true] {
        let (hub, shared, mut events) = hub();
        let hub = hub.build();
        let mut client = Client::connect_as(&hub, Identity::anonymous()).await;
        client.call_with("1", "Careful", &["s"]);
        let items = if full { 11 } else { 2 };
        for i in 0..items {
            client.item("s", &json!(i));
        }
        idle().await;
        client.vanish();
        assert_eq!(client.ends().await, CloseReason::ClientGone);
        shared.let_through(items + 1);
        for i in 0..items {
            assert_eq!(events.next().await, i.to_string());
        }
        assert_eq!(events.next().await, "fault: The underlying connection was closed.");
        shared.alive.becomes(0).await;
    }
}

/// When the method has ended, its uploads have (HubProtocol, streams of the caller): a task that still reads one sees the end.
#[tokio::test(start_paused = true)]
async fn an_upload_ends_with_its_method_wherever_it_is_read() {
    let (hub, shared, _events) = hub();
    let mut client = Client::connect(&hub.build()).await;
    client.call_with("1", "Leaves", &["s"]);
    client.receives([result("1", &Value::Null)]).await;
    shared.alive.becomes(0).await;
}
