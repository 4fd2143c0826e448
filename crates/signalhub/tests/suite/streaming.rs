//! Streams that a hub sends.

use crate::support::{Client, Shared, ended, failed, idle, invoking, item_of, result};
use futures_util::stream::{self, Stream, StreamExt};
use serde::{Serialize, Serializer};
use serde_json::{Value, json};
use signalhub::{Args, Caller, Cancellation, CloseReason, ErrorDetails, Hub, HubBuilder, HubError, State};

/// How many bytes are queued for a peer that does not read before streams pause: a sixteenth of the limit of the queue.
const PAUSE: usize = 64 * 1024;

const STREAMING: &str = "An error occurred on the server while streaming results.";

type Items<T> = Result<T, HubError>;

struct NoJson;

impl Serialize for NoJson {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("no way"))
    }
}

fn count_then(n: u32, error: HubError) -> impl Stream<Item = Items<u32>> {
    stream::iter((0..n).map(Ok).chain([Err(error)]))
}

/// An endless stream that yields a number each time the test opens the gate.
async fn gated(State(shared): State<Shared>) -> Items<impl Stream<Item = Items<usize>>> {
    let guard = shared.alive.guard();
    Ok(stream::unfold((shared, guard), async |(shared, guard)| {
        shared.wait().await.ok()?;
        Some((Ok(shared.produce()), (shared, guard)))
    }))
}

/// The same, for three numbers, by a method that takes its cancellation and ignores it.
async fn stubborn(State(shared): State<Shared>, _: Cancellation) -> Items<impl Stream<Item = Items<usize>>> {
    Ok(gated(State(shared)).await?.take(3))
}

/// The same, until it is cancelled.
async fn obedient(State(shared): State<Shared>, cancellation: Cancellation) -> Items<impl Stream<Item = Items<usize>>> {
    let items = gated(State(shared)).await?;
    Ok(items.take_until(async move { cancellation.cancelled().await }).chain(stream::iter([Ok(99)])))
}

/// An endless stream that always has a kilobyte.
async fn flood(State(shared): State<Shared>) -> Items<impl Stream<Item = Items<String>>> {
    let guard = shared.alive.guard();
    Ok(stream::repeat_with(move || {
        let _ = (&guard, shared.produce());
        Ok("x".repeat(1024))
    }))
}

fn hub() -> (HubBuilder<Shared>, Shared) {
    let (shared, _) = Shared::new();
    let hub = Hub::builder()
        .state(shared.clone())
        .method("Echo", async |Args((value,)): Args<(Value,)>| Ok(value))
        .method("Wait", async |State(shared): State<Shared>| shared.wait().await)
        .method("Abort", async |caller: Caller| {
            caller.abort();
            Ok(())
        })
        .stream("Count", async |Args((n,)): Args<(u32,)>| Ok(stream::iter((0..n).map(Ok))))
        .stream("Null", async || Ok(stream::iter([Ok(None::<u32>)])))
        .stream("Fail", async |Args((n,)): Args<(u32,)>| Ok(count_then(n, HubError::internal("Trouble", "secret"))))
        .stream("Refuse", async |Args((n,)): Args<(u32,)>| Ok(count_then(n, HubError::new("no"))))
        .stream("FailAtOnce", async || Err::<stream::Empty<Items<u32>>, _>(HubError::internal("Trouble", "secret")))
        .stream("PanicAtOnce", async || -> Items<stream::Empty<Items<u32>>> { panic!("on purpose") })
        .stream("Panic", async |Args((n,)): Args<(u32,)>| {
            Ok(stream::iter(0..).map(move |i| if i < n { Ok(i) } else { panic!("on purpose") }))
        })
        .stream("NoJson", async || Ok(stream::iter([Ok(NoJson)])))
        .stream("Gated", gated)
        .stream("Stubborn", stubborn)
        .stream("Obedient", obedient)
        .stream("Flood", flood)
        .stream("Trickle", async |State(shared): State<Shared>| Ok(stream::repeat_with(move || Ok(shared.produce()))));
    (hub, shared)
}

#[tokio::test(start_paused = true)]
async fn items_come_in_order_and_then_one_completion() {
    let (hidden, shown) = (ErrorDetails::Hidden, ErrorDetails::Shown);
    let failing = |error: &str| failed("1", error);
    for (details, target, arguments, items, end) in [
        (hidden, "Count", json!([0]), 0, ended("1")),
        (hidden, "Count", json!([3]), 3, ended("1")),
        (hidden, "count", json!([1]), 1, ended("1")),
        (hidden, "Fail", json!([2]), 2, failing(STREAMING)),
        (shown, "Fail", json!([2]), 2, failing(&format!("{STREAMING} Trouble: secret"))),
        (hidden, "Refuse", json!([1]), 1, failing(&format!("{STREAMING} HubException: no"))),
        (shown, "Refuse", json!([0]), 0, failing(&format!("{STREAMING} HubException: no"))),
        (hidden, "FailAtOnce", json!([]), 0, failing(&invoking("FailAtOnce", ""))),
        (shown, "FailAtOnce", json!([]), 0, failing(&invoking("FailAtOnce", " Trouble: secret"))),
        (hidden, "PanicAtOnce", json!([]), 0, failing(&invoking("PanicAtOnce", ""))),
        (hidden, "Panic", json!([2]), 2, failing(STREAMING)),
        (hidden, "Count", json!([]), 0, failing("Failed to invoke 'Count' due to an error on the server.")),
        (hidden, "Count", json!(["x"]), 0, failing("Failed to invoke 'Count' due to an error on the server.")),
        (
            hidden,
            "Echo",
            json!([1]),
            0,
            failing("The client attempted to invoke the non-streaming 'Echo' method with a streaming invocation."),
        ),
    ] {
        let mut client = Client::connect(&hub().0.configure(|options| options.error_details = details).build()).await;
        client.stream("1", target, &arguments);
        client.receives((0..items).map(|i| item_of("1", &json!(i)))).await;
        client.receives([end]).await;
        client.round_trip().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_null_is_an_item() {
    let mut client = Client::connect(&hub().0.build()).await;
    client.stream("1", "Null", &json!([]));
    client.receives([item_of("1", &Value::Null), ended("1")]).await;
}

#[tokio::test(start_paused = true)]
async fn a_plain_call_of_a_streaming_method_is_answered_with_an_error() {
    let mut client = Client::connect(&hub().0.build()).await;
    client.call("1", "Count", &json!([1]));
    let error = "The client attempted to invoke the streaming 'Count' method with a non-streaming invocation.";
    client.receives([failed("1", error)]).await;
    client.round_trip().await;
}

#[tokio::test(start_paused = true)]
async fn an_item_that_cannot_be_sent_ends_the_connection() {
    let mut client = Client::connect(&hub().0.build()).await;
    client.stream("1", "NoJson", &json!([]));
    let close = json!({"type": 7, "error": "Connection closed with an error.", "allowReconnect": true});
    client.receives([close]).await;
    client.ends().await;
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_stream_is_dropped_and_completes() {
    let (hub, shared) = hub();
    let mut client = Client::connect(&hub.build()).await;
    client.stream("1", "Gated", &json!([]));
    shared.let_through(1);
    client.receives([item_of("1", &json!(0))]).await;
    assert_eq!(shared.alive.count(), 1);
    client.cancel("1");
    client.receives([ended("1")]).await;
    assert_eq!(shared.alive.count(), 0);
    shared.let_through(1);
    client.receives_nothing().await;
    client.cancel("1");
    client.cancel("never");
    client.round_trip().await;
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_takes_its_cancellation_ends_by_itself() {
    let (hub, shared) = hub();
    let mut client = Client::connect(&hub.build()).await;
    client.stream("1", "Stubborn", &json!([]));
    client.stream("2", "Obedient", &json!([]));
    idle().await;
    client.cancel("1");
    client.cancel("1");
    client.receives_nothing().await;
    client.cancel("2");
    client.receives([item_of("2", &json!(99)), ended("2")]).await;
    shared.let_through(3);
    client.receives((0..3).map(|i| item_of("1", &json!(i)))).await;
    client.receives([ended("1")]).await;
    assert_eq!(shared.alive.count(), 0);
}

/// The method has not returned its stream yet, so no stream can be dropped.
#[tokio::test(start_paused = true)]
async fn a_method_that_is_cancelled_before_it_returns_its_stream_completes_when_it_does() {
    let (hub, shared) = hub();
    let hub = hub.stream("Late", async |State(shared): State<Shared>| {
        shared.wait().await?;
        gated(State(shared)).await
    });
    let mut client = Client::connect(&hub.build()).await;
    client.stream("1", "Late", &json!([]));
    client.cancel("1");
    idle().await;
    shared.let_through(5);
    client.receives([ended("1")]).await;
    assert_eq!((shared.alive.count(), shared.produced()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_cancellation_leaves_plain_calls_alone() {
    let (hub, shared) = hub();
    let mut client = Client::connect(&hub.build()).await;
    client.call("1", "Wait", &json!([]));
    client.cancel("1");
    client.receives_nothing().await;
    shared.let_through(1);
    client.receives([result("1", &Value::Null)]).await;
}

#[tokio::test(start_paused = true)]
async fn the_id_of_a_running_stream_is_in_use_until_it_ends() {
    let (hub, shared) = hub();
    let mut client = Client::connect(&hub.build()).await;
    client.stream("1", "Gated", &json!([]));
    client.stream("1", "Count", &json!([1]));
    client.receives([failed("1", "Invocation ID '1' is already in use.")]).await;
    client.call("1", "Echo", &json!(["a plain call may have it"]));
    client.receives([result("1", &json!("a plain call may have it"))]).await;
    // The refused call has not removed the cancellation of the first one.
    client.cancel("1");
    client.receives([ended("1")]).await;
    shared.alive.becomes(0).await;
    for _ in 0..2 {
        client.stream("1", "Count", &json!([1]));
        client.receives([item_of("1", &json!(0)), ended("1")]).await;
    }
}

#[tokio::test(start_paused = true)]
async fn streams_run_in_parallel_and_do_not_wait_for_calls() {
    let (hub, shared) = hub();
    let mut client = Client::connect(&hub.build()).await;
    client.call("slow", "Wait", &json!([]));
    client.stream("1", "Gated", &json!([]));
    client.stream("2", "Count", &json!([2]));
    client.receives([item_of("2", &json!(0)), item_of("2", &json!(1)), ended("2")]).await;
    shared.let_through(1);
    client.receives([result("slow", &Value::Null)]).await;
    shared.let_through(1);
    client.receives([item_of("1", &json!(0))]).await;
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_connection_drops_its_streams() {
    type End = fn(&mut Client);
    let ends: [(&str, End, Option<Value>); 4] = [
        ("vanished", Client::vanish, None),
        ("closed", |client| client.say(&json!({"type": 7})), Some(json!({"type": 7}))),
        ("drained", |client| client.peer.drain(), None),
        ("aborted", |client| client.call("9", "Abort", &json!([])), Some(json!({"type": 7}))),
    ];
    for (name, end, last) in ends {
        let (hub, shared) = hub();
        let hub = hub.build();
        let mut client = Client::connect(&hub).await;
        client.stream("1", "Gated", &json!([]));
        client.stream("2", "Stubborn", &json!([]));
        client.stream("3", "Flood", &json!([]));
        shared.alive.becomes(3).await;
        end(&mut client);
        shared.alive.becomes(0).await;
        let mut received = Vec::new();
        while let Some(message) = client.peer.receive().await {
            received.push(serde_json::from_slice::<Value>(message.split_last().unwrap().1).unwrap());
        }
        let last_received = received.iter().rfind(|message| message["type"] != 2).cloned();
        assert_eq!(last_received, last, "{name}");
        assert!(last.is_none() || received.last() == last.as_ref(), "{name}: nothing comes behind a Close message");
        assert_eq!(hub.client_count(), 0, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_pauses_its_streams() {
    let (hub, shared) = hub();
    let hub = hub.build();
    let mut client = Client::connect(&hub).await;
    let mut other = Client::connect(&hub).await;
    client.stream("1", "Flood", &json!([]));
    client.stream("2", "Flood", &json!([]));
    idle().await;
    let paused = shared.produced();
    // Each stream may hold one item that it has not sent.
    assert!((PAUSE / 1200..=PAUSE / 1024 + 4).contains(&paused), "{paused} items were made");
    other.round_trip().await;
    assert_eq!(shared.produced(), paused);
    for round in 1..=5 {
        for _ in 0..20 {
            assert_eq!(client.next().await["type"], 2);
        }
        idle().await;
        assert_eq!(shared.produced(), paused + 20 * round);
    }
    assert_eq!(client.peer.close_reason(), None);
    client.cancel("1");
    client.cancel("2");
    shared.alive.becomes(0).await;
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_never_pauses_does_not_delay_answers() {
    let (hub, _shared) = hub();
    let mut client = Client::connect(&hub.build()).await;
    client.stream("1", "Flood", &json!([]));
    idle().await;
    client.call("2", "Echo", &json!(["hi"]));
    idle().await;
    check_let_through(&mut client, &result("2", &json!("hi"))).await;
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_never_pauses_does_not_delay_other_streams() {
    let (hub, _shared) = hub();
    let mut client = Client::connect(&hub.build()).await;
    client.stream("1", "Flood", &json!([]));
    idle().await;
    client.stream("2", "Count", &json!([1]));
    idle().await;
    check_let_through(&mut client, &ended("2")).await;
}

/// Otherwise it would stop its session, and the other sessions of the thread.
#[tokio::test(start_paused = true)]
async fn a_stream_that_is_always_ready_yields_to_other_tasks() {
    let (hub, shared) = hub();
    let mut client = Client::connect(&hub.build()).await;
    client.stream("1", "Trickle", &json!([]));
    while shared.produced() == 0 {
        tokio::task::yield_now().await;
    }
    let at_once = shared.produced();
    assert!(at_once <= 512, "{at_once} items were made at once");
}

/// Expects the message among the next thousand.
async fn check_let_through(client: &mut Client, message: &Value) {
    for _ in 0..1000 {
        if client.next().await == *message {
            return;
        }
    }
    panic!("a thousand other messages came first");
}

/// Results of calls count, too: their Completion messages wait, and no further call starts.
#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_pauses_its_calls() {
    let (hub, shared) = hub();
    let hub = hub.method("Much", async |State(shared): State<Shared>| {
        shared.produce();
        Ok("x".repeat(1024))
    });
    let mut client = Client::connect(&hub.build()).await;
    for id in 0..1000 {
        client.call(&id.to_string(), "Much", &json!([]));
    }
    idle().await;
    assert!(shared.produced() <= PAUSE / 1024 + 2, "{} calls ran", shared.produced());
    for id in 0..1000 {
        assert_eq!(client.next().await["invocationId"], id.to_string());
    }
    client.vanish();
    assert_eq!(client.ends().await, CloseReason::ClientGone);
}
