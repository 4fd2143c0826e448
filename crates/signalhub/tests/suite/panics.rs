//! Panics of the application's code outside of methods, and failures of the server: what the client gets, and what is logged.

use crate::log::Log;
use crate::support::{Client, Events, Shared, failed, idle, invoking, result};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::json;
use signalhub::protocol::Protocol;
use signalhub::{
    Args, Call, Clients, CloseReason, Disconnected, Hub, HubBuilder, HubError, HubFilter, Identity, Next, Policy,
    Reply, State, Upload, require,
};

/// A type whose `Deserialize` panics.
struct Explosive;

impl<'de> Deserialize<'de> for Explosive {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        panic!("deserialized")
    }
}

/// A type whose `Drop` panics.
#[derive(Deserialize)]
struct Slippery {}

impl Drop for Slippery {
    fn drop(&mut self) {
        panic!("dropped");
    }
}

/// A type that cannot be serialised.
struct Mute;

impl Serialize for Mute {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("it has no form"))
    }
}

async fn ask(clients: Clients) -> Result<String, HubError> {
    clients.caller().invoke::<Explosive>("Age", ()).await?;
    Ok("asked".to_owned())
}

fn hub() -> (HubBuilder<Shared>, Shared, Events) {
    let (shared, events) = Shared::new();
    let hub = Hub::builder()
        .state(shared.clone())
        .on_disconnected(async |State(shared): State<Shared>, Disconnected(reason): Disconnected| {
            shared.record(format!("gone: {reason:?}"));
            Ok(())
        })
        .method("Echo", async |Args((text,)): Args<(String,)>| Ok(text))
        .method("Explode", async |Args((_,)): Args<(Explosive,)>| Ok(()))
        .method("Collect", async |mut items: Upload<Explosive>| match items.next().await {
            Some(Err(error)) => Ok(error.to_string()),
            _ => Ok("no error".to_owned()),
        })
        .method("Ask", ask)
        .method("Guarded", require(Policy::new(|_| panic!("judged")), async || Ok(())))
        .method("Slip", async |Args((_,)): Args<(Slippery,)>, _: Upload<u32>| Ok(()))
        .method("Fail", async || Err::<(), _>(HubError::internal("Database", "table 7 is locked")))
        .method("Refuse", async || Err::<(), _>(HubError::new("not today")))
        .method("Mute", async || Ok(Mute));
    (hub, shared, events)
}

/// Expects one error in the log that contains these words.
fn one_error(log: &Log, words: &[&str]) {
    let [line] = <[String; 1]>::try_from(log.take()).expect("one line");
    assert!(line.starts_with("ERROR"), "{line}");
    for word in words {
        assert!(line.contains(word), "{word} is not in {line}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_deserialize_or_in_a_policy_fails_the_call_alone_and_is_logged_once() {
    for protocol in Protocol::ALL {
        let (hub, _shared, mut events) = hub();
        let hub = hub.build();
        let (log, _guard) = Log::listen();
        let mut client = Client::connect_speaking(&hub, Identity::user("ann"), protocol).await;

        client.call("1", "Explode", &json!([1]));
        client.receives([failed("1", "Failed to invoke 'Explode' due to an error on the server.")]).await;
        one_error(&log, &["Explode", "argument panicked"]);

        client.call_with("2", "Collect", &["s"]);
        client.item("s", &json!(1));
        client.receives([result("2", &json!("Failed to bind Stream message."))]).await;
        one_error(&log, &["Collect", "item panicked"]);

        client.call("3", "Ask", &json!([]));
        let question = client.is_asked("Age").await;
        client.say(&result(&question, &json!(40)));
        let error = client.next().await["error"].as_str().unwrap().to_owned();
        assert!(error.contains("HubException: Error trying to deserialize result to "), "{error}");
        one_error(&log, &["result panicked"]);

        client.call("4", "Guarded", &json!([]));
        client.receives([failed("4", &invoking("Guarded", ""))]).await;
        one_error(&log, &["Guarded", "policy of the method panicked"]);

        client.round_trip().await;
        assert!(events.none());
        client.vanish();
        assert_eq!(events.next().await, "gone: None");
    }
}

#[tokio::test(start_paused = true)]
async fn on_disconnected_runs_after_a_panic_that_ends_the_session() {
    for protocol in Protocol::ALL {
        let (hub, _shared, mut events) = hub();
        let hub = hub.build();
        let (log, _guard) = Log::listen();
        let mut client = Client::connect_speaking(&hub, Identity::user("ann"), protocol).await;
        // The call announces no stream, so it is not admitted, and its argument is dropped outside of the method.
        client.call("1", "Slip", &json!([{}]));
        assert_eq!(client.next().await["type"], 3);
        let close = client.next().await;
        assert_eq!((&close["type"], &close["error"]), (&json!(7), &json!("Connection closed with an error.")));
        assert_eq!(events.next().await, r#"gone: Some("The server panicked.")"#);
        assert_eq!(client.ends().await, CloseReason::HandlerFailed);
        one_error(&log, &["panicked outside a call"]);
        assert_eq!(hub.client_count(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn the_cause_of_a_server_failure_is_logged_as_an_error_and_a_refusal_is_not() {
    let (hub, _shared, _events) = hub();
    let hub = hub.build();
    let (log, _guard) = Log::listen();
    let mut client = Client::connect(&hub).await;
    client.call("1", "Refuse", &json!([]));
    client.receives([failed("1", &invoking("Refuse", " HubException: not today"))]).await;
    assert_eq!(log.take(), [""; 0]);
    client.call("2", "Fail", &json!([]));
    client.receives([failed("2", &invoking("Fail", ""))]).await;
    one_error(&log, &["method=\"Fail\"", "Database", "table 7 is locked"]);
    client.call("3", "Mute", &json!([]));
    client.next().await;
    assert_eq!(client.ends().await, CloseReason::UnsendableResult);
    one_error(&log, &["method=\"Mute\"", "it has no form"]);
}

#[tokio::test(start_paused = true)]
async fn errors_about_server_failures_are_limited_in_number() {
    let (hub, _shared, _events) = hub();
    let hub = hub.build();
    let (log, _guard) = Log::listen();
    let mut client = Client::connect(&hub).await;
    for _ in 0..100 {
        client.call("1", "Fail", &json!([]));
        client.next().await;
    }
    let lines = log.take().len();
    assert!((10..=11).contains(&lines), "{lines} lines");
}

/// Answers each call with a stream.
struct Streams;

impl HubFilter for Streams {
    async fn invoke(&self, call: &Call, _: Next<'_, Reply>) -> Result<Reply, HubError> {
        Ok(Reply::stream(call, futures_util::stream::empty::<Result<u32, HubError>>()))
    }
}

#[tokio::test(start_paused = true)]
async fn a_filter_that_answers_a_value_method_with_a_stream_is_logged_as_an_error() {
    let (hub, _shared, _events) = hub();
    let hub = hub.filter(Streams).build();
    let (log, _guard) = Log::listen();
    let mut client = Client::connect(&hub).await;
    client.call("1", "Echo", &json!(["a"]));
    client.receives([failed("1", &invoking("Echo", ""))]).await;
    one_error(&log, &["method=\"Echo\"", "a filter returned a stream"]);
}

#[tokio::test(start_paused = true)]
async fn an_internal_error_that_refuses_a_client_is_logged_as_an_error() {
    let (hub, _shared, _events) = hub();
    let hub = hub.on_connected(async || Err::<(), _>(HubError::internal("Database", "no table"))).build();
    let (log, _guard) = Log::listen();
    let mut client = Client::connect(&hub).await;
    client.next().await;
    idle().await;
    one_error(&log, &["method=\"OnConnected\"", "no table"]);
}
