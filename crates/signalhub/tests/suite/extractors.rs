//! Parameters of hub methods that are written outside of the crate.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::support::{Client, Shared, ended, failed, invoking, item_of, result, soon};
use futures_util::{Stream, StreamExt, stream};
use serde_json::json;
use signalhub::{
    Args, Call, Caller, Cancellation, CloseReason, ConnectionId, Extract, Hub, HubError, Identity, State, Upload,
};

/// The name of a user who is not banned.
struct Name(String);

impl<S> Extract<S> for Name {
    fn extract(call: &Call, _: &S) -> Result<Self, HubError> {
        match call.client_identity().user.as_deref() {
            Some("mallory") => Err(HubError::new("banned")),
            Some(user) => Ok(Self(user.to_owned())),
            None => Err(HubError::internal("KeyNotFoundException", "no user")),
        }
    }
}

/// Reports the name of the method through the state of the hub.
struct Reported;

impl Extract<Shared> for Reported {
    fn extract(call: &Call, shared: &Shared) -> Result<Self, HubError> {
        shared.record(call.method().unwrap_or("a hook"));
        Ok(Self)
    }
}

fn refused(method: &str) -> String {
    invoking(method, " HubException: banned")
}

#[tokio::test(start_paused = true)]
async fn a_method_gets_what_an_extractor_of_its_program_makes() {
    let hub = Hub::builder()
        .method("Greet", async |Name(name): Name, Args((text,)): Args<(String,)>| Ok(format!("{text}, {name}")))
        .build();
    let mut client = Client::connect(&hub).await;
    client.call("1", "Greet", &json!(["good day"]));
    client.receives([result("1", &json!("good day, ann"))]).await;
}

#[tokio::test(start_paused = true)]
async fn an_extractor_reads_the_state_of_its_hub_and_the_name_of_the_method() {
    let (shared, mut events) = Shared::new();
    let hub = Hub::builder()
        .state(shared)
        .method("First", async |_: Reported| Ok(()))
        .on_connected(async |_: Reported| Ok(()))
        .on_disconnected(async |_: Reported| Ok(()))
        .build();
    let mut client = Client::connect(&hub).await;
    // The registered name, not the one that the client wrote.
    client.call("1", "first", &json!([]));
    client.receives([result("1", &json!(null))]).await;
    client.vanish();
    for event in ["a hook", "First", "a hook"] {
        assert_eq!(events.next().await, event);
    }
}

#[tokio::test(start_paused = true)]
async fn a_failed_extraction_answers_the_call_and_the_method_does_not_run() {
    let runs = Arc::new(AtomicUsize::new(0));
    let (in_method, in_stream) = (Arc::clone(&runs), Arc::clone(&runs));
    let hub = Hub::builder()
        .method("Plain", async move |_: Name| Ok(in_method.fetch_add(1, Ordering::Relaxed)))
        .stream("Stream", async move |_: Name| {
            in_stream.fetch_add(1, Ordering::Relaxed);
            Ok(stream::iter([Ok(1)]))
        })
        .method("Echo", async |Args((text,)): Args<(String,)>| Ok(text))
        .build();
    let mut client = Client::connect_as(&hub, Identity::user("mallory")).await;
    client.call("1", "Plain", &json!([]));
    client.receives([failed("1", &refused("Plain"))]).await;
    client.stream("2", "Stream", &json!([]));
    client.receives([failed("2", &refused("Stream"))]).await;
    client.round_trip().await;
    assert_eq!(runs.load(Ordering::Relaxed), 0);

    let mut client = Client::connect_as(&hub, Identity::anonymous()).await;
    client.call("1", "Plain", &json!([]));
    client.receives([failed("1", &invoking("Plain", ""))]).await;
    client.stream("2", "Stream", &json!([]));
    client.receives([failed("2", &invoking("Stream", ""))]).await;
}

#[tokio::test(start_paused = true)]
async fn a_failed_extraction_ends_the_streams_that_the_call_takes() {
    let hub = Hub::builder()
        .method("Sum", async |_: Name, _: Upload<u32>| Ok(()))
        .method("Echo", async |Args((text,)): Args<(String,)>| Ok(text))
        .build();
    let mut client = Client::connect_as(&hub, Identity::user("mallory")).await;
    client.call_with("1", "Sum", &["s"]);
    client.receives([failed("1", &refused("Sum"))]).await;
    // More items than a buffer holds: no upload is open, so they are ignored and do not block reading.
    for item in 0..100 {
        client.item("s", &json!(item));
    }
    client.round_trip().await;
}

#[tokio::test(start_paused = true)]
async fn a_failed_extraction_in_on_connected_refuses_the_client() {
    let hub = Hub::builder().on_connected(async |_: Name| Ok(())).build();
    let mut client = Client::connect_as(&hub, Identity::user("mallory")).await;
    client.receives([json!({"type": 7, "error": "Connection closed with an error. HubException: banned"})]).await;
    assert_eq!(client.ends().await, CloseReason::Refused);
    assert_eq!(hub.client_count(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_first_parameter_that_fails_decides() {
    struct Fails;
    impl<S> Extract<S> for Fails {
        fn extract(_: &Call, _: &S) -> Result<Self, HubError> {
            Err(HubError::new("fails"))
        }
    }
    let hub = Hub::builder()
        .method("One", async |_: Name, _: Fails| Ok(()))
        .method("Other", async |_: Fails, _: Name| Ok(()))
        .build();
    let mut client = Client::connect_as(&hub, Identity::user("mallory")).await;
    client.call("1", "One", &json!([]));
    client.call("2", "Other", &json!([]));
    client.receives([failed("1", &refused("One")), failed("2", &invoking("Other", " HubException: fails"))]).await;
}

#[tokio::test(start_paused = true)]
async fn an_extractor_with_a_cancellation_lets_its_stream_end_by_itself() {
    struct Watch(Cancellation);
    impl<S> Extract<S> for Watch {
        const WATCHES_CANCELLATION: bool = true;

        fn extract(call: &Call, _: &S) -> Result<Self, HubError> {
            Ok(Self(call.cancellation()))
        }
    }
    async fn until_cancelled(
        Watch(cancellation): Watch,
    ) -> Result<impl Stream<Item = Result<u32, HubError>>, HubError> {
        Ok(stream::once(async { Ok(1) }).chain(stream::once(async move {
            cancellation.cancelled().await;
            Ok(2)
        })))
    }
    let hub = Hub::builder().stream("UntilCancelled", until_cancelled).build();
    let mut client = Client::connect(&hub).await;
    client.stream("1", "UntilCancelled", &json!([]));
    client.receives([item_of("1", &json!(1))]).await;
    client.cancel("1");
    client.receives([item_of("1", &json!(2)), ended("1")]).await;
}

#[tokio::test(start_paused = true)]
async fn a_method_has_up_to_twelve_parameters() {
    type Number = Args<(u32,)>;
    type Twelve = Args<(u8, u8, u8, u8, u8, u8, u8, u8, u8, u8, u8, u8)>;
    #[allow(clippy::too_many_arguments, reason = "the most that a method can have")]
    async fn many(
        Args((a,)): Number,
        Args((b,)): Number,
        Args((c,)): Number,
        Args((d,)): Number,
        Args((e,)): Number,
        Name(name): Name,
        caller: Caller,
        State(unit): State<()>,
        mut numbers: Upload<u32>,
        Args((f, g)): Args<(u32, u32)>,
        Args(()): Args<()>,
        Args((h, i, j, k, l)): Args<(u32, u32, u32, u32, u32)>,
    ) -> Result<(String, ConnectionId, u32), HubError> {
        let () = unit;
        let last = numbers.next().await.unwrap_or(Ok(0))?;
        Ok((name, caller.id().clone(), a + b + c + d + e + f + g + h + i + j + k + l + last))
    }
    let hub = Hub::builder().method("Many", async |args: Twelve| Ok(args.0));
    let hub = hub.method("Twelve", many).build();
    let mut client = Client::connect(&hub).await;
    let numbers = json!([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
    client.call("1", "Many", &numbers);
    client.receives([result("1", &numbers)]).await;
    client.say(&json!({"type": 1, "invocationId": "2", "target": "Twelve", "arguments": numbers, "streamIds": ["s"]}));
    client.item("s", &json!(22));
    let answer = soon(client.next()).await;
    assert_eq!(answer["result"], json!(["ann", client.id().as_str(), 100]));
}

#[tokio::test(start_paused = true)]
async fn a_closure_keeps_what_it_captures_from_call_to_call() {
    let calls = Arc::new(AtomicUsize::new(0));
    let (counted, streamed) = (Arc::clone(&calls), Arc::clone(&calls));
    let hub = Hub::builder()
        .method("Count", async move |_: Caller| Ok(counted.fetch_add(1, Ordering::Relaxed)))
        .stream("Stream", async move || Ok(stream::iter([Ok(streamed.fetch_add(1, Ordering::Relaxed))])))
        .build();
    let mut client = Client::connect(&hub).await;
    client.call("1", "Count", &json!([]));
    client.call("2", "Count", &json!([]));
    client.stream("3", "Stream", &json!([]));
    client.receives([result("1", &json!(0)), result("2", &json!(1)), item_of("3", &json!(2)), ended("3")]).await;
    client.vanish();
    client.ends().await;
    drop(hub);
    assert_eq!(Arc::strong_count(&calls), 1, "the hub and its calls have let go of it");
}
