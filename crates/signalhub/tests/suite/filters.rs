//! Filters around calls, and around the start and the end of connections.

use std::sync::Arc;

use crate::support::{Client, Events, Shared, called, ended, failed, invoking, item_of, result};
use futures_util::{StreamExt, stream};
use serde_json::{Value, json};
use signalhub::events::{Broker, Event, EventName};
use signalhub::portos::broker::catalogue;
use signalhub::protocol::Protocol;
use signalhub::{
    Args, Call, Caller, CloseReason, Hub, HubBuilder, HubError, HubFilter, Identity, Next, Policy, Reply, State,
    Upload, require,
};

/// Tells the test what it runs around.
struct Tells(Shared, &'static str);

impl Tells {
    fn record(&self, what: &str) {
        self.0.record(format!("{} {what}", self.1));
    }
}

impl HubFilter for Tells {
    async fn invoke(&self, call: &Call, next: Next<'_, Reply>) -> Result<Reply, HubError> {
        self.record(&format!("> {}", call.method().unwrap_or("no method")));
        let reply = next.run().await;
        self.record(match &reply {
            Ok(reply) if reply.is_stream() => "< stream",
            Ok(_) => "< value",
            Err(_) => "< error",
        });
        reply
    }

    async fn connected(&self, _: &Call, next: Next<'_, ()>) -> Result<(), HubError> {
        self.record("> connected");
        let done = next.run().await;
        self.record("< connected");
        done
    }

    async fn disconnected(&self, call: &Call, next: Next<'_, ()>) -> Result<(), HubError> {
        self.record(&format!("> disconnected: {:?}", call.disconnected()));
        let done = next.run().await;
        self.record("< disconnected");
        done
    }
}

fn hub() -> (HubBuilder<Shared>, Shared, Events) {
    let (shared, events) = Shared::new();
    let hub = Hub::builder()
        .state(shared.clone())
        .method("Echo", async |Args((value,)): Args<(Value,)>, State(shared): State<Shared>| {
            shared.record("Echo");
            Ok(value)
        })
        .method("Fail", async || Err::<(), _>(HubError::new("no")))
        .method("Panic", async || -> Result<(), HubError> { panic!("on purpose") })
        .method("Secret", require(Policy::authenticated(), async || Ok("secret")))
        .stream("Count", async |Args((to,)): Args<(u32,)>, State(shared): State<Shared>| {
            shared.record("Count");
            Ok(stream::iter((0..to).map(Ok)))
        });
    (hub, shared, events)
}

async fn expect_events(events: &mut Events, expected: &[&str]) {
    for expected in expected {
        assert_eq!(events.next().await, *expected);
    }
    assert!(events.none());
}

#[tokio::test(start_paused = true)]
async fn the_filter_that_is_added_first_is_the_outermost() {
    let (hub, shared, mut events) = hub();
    let hub = hub.filter(Tells(shared.clone(), "a")).filter(Tells(shared, "b")).build();
    let mut client = Client::connect(&hub).await;
    expect_events(&mut events, &["a > connected", "b > connected", "b < connected", "a < connected"]).await;
    client.call("1", "echo", &json!(["hi"]));
    client.receives([result("1", &json!("hi"))]).await;
    expect_events(&mut events, &["a > Echo", "b > Echo", "Echo", "b < value", "a < value"]).await;
    client.call("2", "Fail", &json!([]));
    client.receives([failed("2", &invoking("Fail", " HubException: no"))]).await;
    expect_events(&mut events, &["a > Fail", "b > Fail", "b < error", "a < error"]).await;
    client.call("3", "Panic", &json!([]));
    client.receives([failed("3", &invoking("Panic", ""))]).await;
    expect_events(&mut events, &["a > Panic", "b > Panic", "b < error", "a < error"]).await;
    client.stream("4", "Count", &json!([2]));
    client.receives([item_of("4", &json!(0)), item_of("4", &json!(1)), ended("4")]).await;
    expect_events(&mut events, &["a > Count", "b > Count", "Count", "b < stream", "a < stream"]).await;
    client.say(&json!({"type": 7, "error": "bye"}));
    client.receives([json!({"type": 7})]).await;
    let disconnected = "disconnected: Some(\"bye\")";
    let [first, second] = ["a", "b"].map(|filter| format!("{filter} > {disconnected}"));
    expect_events(&mut events, &[&first, &second, "b < disconnected", "a < disconnected"]).await;
}

#[tokio::test(start_paused = true)]
async fn the_hooks_of_a_hub_run_inside_its_filters() {
    let (hub, shared, mut events) = hub();
    let hub = hub
        .on_connected(async |State(shared): State<Shared>| {
            shared.record("on_connected");
            Ok(())
        })
        .filter(Tells(shared, "a"))
        .on_disconnected(async |State(shared): State<Shared>| {
            shared.record("on_disconnected");
            Ok(())
        })
        .build();
    let mut client = Client::connect(&hub).await;
    expect_events(&mut events, &["a > connected", "on_connected", "a < connected"]).await;
    client.vanish();
    client.ends().await;
    expect_events(&mut events, &["a > disconnected: None", "on_disconnected", "a < disconnected"]).await;
}

#[tokio::test(start_paused = true)]
async fn calls_that_are_refused_earlier_reach_no_filter() {
    let (hub, shared, mut events) = hub();
    let hub = hub.filter(Tells(shared, "a")).build();
    let mut client = Client::connect_as(&hub, Identity::anonymous()).await;
    expect_events(&mut events, &["a > connected", "a < connected"]).await;
    for (target, arguments) in
        [("Unknown", json!([])), ("Echo", json!([])), ("Secret", json!([])), ("Count", json!([1]))]
    {
        client.call("1", target, &arguments);
        assert!(client.next().await["error"].is_string(), "{target}");
    }
    assert!(events.none());
}

/// Answers some calls itself, and changes the answers of others.
struct Answers;

impl HubFilter for Answers {
    async fn invoke(&self, call: &Call, next: Next<'_, Reply>) -> Result<Reply, HubError> {
        let asked = if call.argument_count() > 0 { call.argument::<Value>(0)? } else { Value::Null };
        match (call.method().unwrap_or_default(), asked) {
            ("Echo", Value::String(text)) if text == "refuse" => Err(HubError::new("refused")),
            ("Echo", Value::String(text)) if text == "answer" => Ok(Reply::value(call, 42)),
            ("Echo", Value::String(text)) if text == "stream" => Ok(Reply::stream(call, stream::iter([Ok(1)]))),
            ("Echo", _) => match next.run().await?.read::<Value>()? {
                Some(value) => Ok(Reply::value(call, [value, json!("changed")])),
                None => Err(HubError::new("there is a result")),
            },
            ("Fail", _) => match next.run().await {
                Err(error) => Err(HubError::new(format!("changed: {error}"))),
                Ok(_) => Err(HubError::new("it fails")),
            },
            ("Count", Value::Number(to)) if to == 0.into() => Ok(Reply::stream(call, stream::iter([Ok("none")]))),
            ("Count", Value::Number(to)) if to == 1.into() => Ok(Reply::value(call, "one")),
            ("Count", Value::Number(to)) if to == 2.into() => Err(HubError::new("not two")),
            _ => next.run().await,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_filter_answers_in_place_and_changes_results_and_errors_in_both_protocols() {
    for protocol in Protocol::ALL {
        let (hub, _, mut events) = hub();
        let mut client = Client::connect_speaking(&hub.filter(Answers).build(), Identity::user("ann"), protocol).await;
        let refused = |target, text| failed("1", &invoking(target, &format!(" HubException: {text}")));
        for (target, argument, answer, runs) in [
            ("Echo", json!(["refuse"]), refused("Echo", "refused"), false),
            ("Echo", json!(["answer"]), result("1", &json!(42)), false),
            ("Echo", json!(["stream"]), failed("1", &invoking("Echo", "")), false),
            ("Echo", json!(["hi"]), result("1", &json!(["hi", "changed"])), true),
            ("Fail", json!([]), refused("Fail", "changed: no"), false),
            ("Secret", json!([]), result("1", &json!("secret")), false),
        ] {
            client.call("1", target, &argument);
            client.receives([answer]).await;
            assert_eq!(events.none(), !runs, "{target} {argument}");
        }
        client.stream("1", "Count", &json!([0]));
        client.receives([item_of("1", &json!("none")), ended("1")]).await;
        client.stream("1", "Count", &json!([1]));
        client.receives([failed("1", &invoking("Count", ""))]).await;
        client.stream("1", "Count", &json!([2]));
        client.receives([refused("Count", "not two")]).await;
        assert!(events.none());
        client.stream("1", "Count", &json!([3]));
        client.receives((0..3).map(|item| item_of("1", &json!(item)))).await;
        client.receives([ended("1")]).await;
    }
}

#[tokio::test(start_paused = true)]
async fn arguments_are_read_by_index_and_type() {
    struct Reads(Shared);
    impl HubFilter for Reads {
        async fn invoke(&self, call: &Call, next: Next<'_, Reply>) -> Result<Reply, HubError> {
            let (first, second) = (call.argument::<u8>(0)?, call.argument::<Vec<String>>(1)?);
            self.0.record(format!("{} {first} {second:?}", call.argument_count()));
            assert!(call.argument::<u8>(1).is_err(), "it is of another type");
            assert!(call.argument::<Value>(2).is_err(), "there are two");
            next.run().await
        }
    }
    for protocol in Protocol::ALL {
        let (shared, mut events) = Shared::new();
        let two = async |Args(both): Args<(u8, Vec<String>)>| Ok(both);
        let hub = Hub::builder().method("Two", two).filter(Reads(shared)).build();
        let mut client = Client::connect_speaking(&hub, Identity::user("ann"), protocol).await;
        client.call("1", "Two", &json!([7, ["a", "b"]]));
        client.receives([result("1", &json!([7, ["a", "b"]]))]).await;
        expect_events(&mut events, &["2 7 [\"a\", \"b\"]"]).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_without_an_answer_passes_the_filters() {
    let (hub, shared, mut events) = hub();
    let hub = hub.filter(Tells(shared, "a")).build();
    let mut client = Client::connect(&hub).await;
    expect_events(&mut events, &["a > connected", "a < connected"]).await;
    client.say(&json!({"type": 1, "target": "Echo", "arguments": ["hi"]}));
    expect_events(&mut events, &["a > Echo", "Echo", "a < value"]).await;
    client.receives_nothing().await;
}

/// Refuses mallory.
struct Door;

impl HubFilter for Door {
    async fn connected(&self, call: &Call, next: Next<'_, ()>) -> Result<(), HubError> {
        if call.client_identity().user.as_deref() == Some("mallory") {
            return Err(HubError::new("not you"));
        }
        next.run().await
    }
}

#[tokio::test(start_paused = true)]
async fn a_filter_refuses_a_client() {
    let (hub, shared, mut events) = hub();
    let hub = hub
        .on_connected(async |State(shared): State<Shared>| {
            shared.record("on_connected");
            Ok(())
        })
        .filter(Door)
        .filter(Tells(shared, "inner"))
        .build();
    let mut client = Client::connect_as(&hub, Identity::user("mallory")).await;
    client.receives([json!({"type": 7, "error": "Connection closed with an error. HubException: not you"})]).await;
    assert_eq!(client.ends().await, CloseReason::Refused);
    assert_eq!(hub.client_count(), 0);
    assert!(events.none(), "neither the hook nor what runs at the end of a connection");
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_a_filter_ends_its_call_and_refuses_its_client() {
    struct Panics(&'static str);
    impl HubFilter for Panics {
        async fn invoke(&self, _: &Call, _: Next<'_, Reply>) -> Result<Reply, HubError> {
            panic!("on purpose, in {}", self.0)
        }

        async fn connected(&self, call: &Call, _: Next<'_, ()>) -> Result<(), HubError> {
            match call.client_identity().user.as_deref() {
                Some("ann") => Ok(()),
                _ => panic!("on purpose, in {}", self.0),
            }
        }
    }
    let (hub, _, _events) = hub();
    let hub = hub.filter(Panics("a filter")).build();
    let mut client = Client::connect(&hub).await;
    client.call("1", "Secret", &json!([]));
    client.receives([failed("1", &invoking("Secret", ""))]).await;
    client.stream("2", "Count", &json!([1]));
    client.receives([failed("2", &invoking("Count", ""))]).await;
    let mut client = Client::connect_as(&hub, Identity::user("bob")).await;
    client.receives([json!({"type": 7, "error": "Connection closed with an error."})]).await;
    assert_eq!(client.ends().await, CloseReason::Refused);
}

#[tokio::test(start_paused = true)]
async fn uploads_pass_the_filters_and_are_discarded_if_the_method_does_not_run() {
    struct Closed;
    impl HubFilter for Closed {
        async fn invoke(&self, call: &Call, next: Next<'_, Reply>) -> Result<Reply, HubError> {
            match call.client_identity().user.as_deref() {
                Some("ann") => next.run().await,
                _ => Ok(Reply::value(call, "closed")),
            }
        }
    }
    let sum = async |mut numbers: Upload<u32>| {
        let mut sum = 0;
        while let Some(number) = numbers.next().await {
            sum += number?;
        }
        Ok(sum)
    };
    let hub = hub().0.method("Sum", sum).filter(Closed).build();
    let mut client = Client::connect(&hub).await;
    client.call_with("1", "Sum", &["s"]);
    for item in 1..=3 {
        client.item("s", &json!(item));
    }
    client.complete("s");
    client.receives([result("1", &json!(6))]).await;

    let mut client = Client::connect_as(&hub, Identity::user("bob")).await;
    client.call_with("1", "Sum", &["s"]);
    client.receives([result("1", &json!("closed"))]).await;
    for item in 0..100 {
        client.item("s", &json!(item));
    }
    client.complete("s");
    client.call_with("2", "Sum", &["s"]);
    client.receives([result("2", &json!("closed"))]).await;
}

#[tokio::test(start_paused = true)]
async fn a_filter_waits_for_a_result_of_the_client() {
    struct Asks;
    impl HubFilter for Asks {
        async fn invoke(&self, call: &Call, next: Next<'_, Reply>) -> Result<Reply, HubError> {
            match call.clients().caller().invoke::<bool>("Sure", (call.method(),)).await? {
                true => next.run().await,
                false => Err(HubError::new("not sure")),
            }
        }

        async fn connected(&self, call: &Call, next: Next<'_, ()>) -> Result<(), HubError> {
            assert!(call.clients().caller().invoke::<bool>("Sure", ()).await.is_err(), "no message is read yet");
            next.run().await
        }
    }
    let (hub, _, _events) = hub();
    let mut client = Client::connect(&hub.filter(Asks).build()).await;
    for (sure, answer) in
        [(true, result("1", &json!("secret"))), (false, failed("1", &invoking("Secret", " HubException: not sure")))]
    {
        client.call("1", "Secret", &json!([]));
        let id = client.is_asked("Sure").await;
        client.say(&result(&id, &json!(sure)));
        client.receives([answer]).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_filter_stores_with_the_connection_is_there_for_the_method() {
    struct Stores;
    impl HubFilter for Stores {
        async fn invoke(&self, call: &Call, next: Next<'_, Reply>) -> Result<Reply, HubError> {
            call.caller().insert(Arc::<str>::from("stored"));
            next.run().await
        }
    }
    let stored = async |caller: Caller| Ok(caller.get::<Arc<str>>().map(|text| text.to_string()));
    let mut client = Client::connect(&Hub::builder().filter(Stores).method("Stored", stored).build()).await;
    client.call("1", "Stored", &json!([]));
    client.receives([result("1", &json!("stored"))]).await;
}

#[tokio::test(start_paused = true)]
async fn filters_run_around_subscribe_and_unsubscribe() {
    struct NoResources;
    impl HubFilter for NoResources {
        async fn invoke(&self, call: &Call, next: Next<'_, Reply>) -> Result<Reply, HubError> {
            match call.argument::<Value>(0)?.get("r") {
                Some(_) => Err(HubError::new("no resources")),
                None => next.run().await,
            }
        }
    }
    let (shared, mut events) = Shared::new();
    let broker = Broker::builder(catalogue()).build();
    let hub = Hub::builder().filter(Tells(shared, "a")).filter(NoResources).events(broker.clone()).build();
    let mut client = Client::connect(&hub).await;
    client.call("1", "Subscribe", &json!([{"e": "portos.resources.changed", "r": [{"n": "tickets"}]}]));
    client.receives([failed("1", &invoking("Subscribe", " HubException: no resources"))]).await;
    client.call("2", "Subscribe", &json!([{"e": "portos.licence.activated"}]));
    client.receives([result("2", &Value::Null)]).await;
    let event = || Event::new(EventName::new("portos.licence.activated"), r#"{"shopId":1}"#);
    assert_eq!(broker.publish(event()).await.unwrap().matched, 1);
    assert_eq!(client.next().await["target"], called("OnEvent", &json!([]))["target"]);
    client.call("3", "Unsubscribe", &json!([{"e": "portos.licence.activated"}]));
    client.receives([result("3", &Value::Null)]).await;
    assert_eq!(broker.publish(event()).await.unwrap().matched, 0);
    let around = ["a > connected", "a < connected", "a > Subscribe", "a < error", "a > Subscribe", "a < value"];
    expect_events(&mut events, &[&around[..], &["a > Unsubscribe", "a < value"]].concat()).await;
}

#[tokio::test(start_paused = true)]
async fn a_filter_wraps_the_stream_of_a_method() {
    struct Doubles;
    impl HubFilter for Doubles {
        async fn invoke(&self, call: &Call, next: Next<'_, Reply>) -> Result<Reply, HubError> {
            let reply = next.run().await?;
            assert!(reply.is_stream() && reply.read::<Value>()?.is_none());
            drop(reply);
            Ok(Reply::stream(call, stream::iter([1, 2]).map(|item| Ok(item * 2))))
        }
    }
    let (hub, _, mut events) = hub();
    let mut client = Client::connect(&hub.filter(Doubles).build()).await;
    client.stream("1", "Count", &json!([9]));
    client.receives([item_of("1", &json!(2)), item_of("1", &json!(4)), ended("1")]).await;
    expect_events(&mut events, &["Count"]).await;
}

/// Tells the test what it reads of the arguments.
struct ReadsArguments(Shared);

impl HubFilter for ReadsArguments {
    async fn invoke(&self, call: &Call, next: Next<'_, Reply>) -> Result<Reply, HubError> {
        let read = call.argument::<Value>(0).map_err(|error| error.to_string());
        self.0.record(format!("{} {:?} {read:?} {call:?}", call.method().unwrap_or_default(), call.argument_count()));
        next.run().await
    }
}

#[tokio::test]
async fn filters_run_around_refresh_and_do_not_see_the_token() {
    let (builder, shared, mut events) = hub();
    let hub = builder.token_refresh().filter(ReadsArguments(shared)).build();
    for protocol in Protocol::ALL {
        let mut client = Client::connect_speaking(&hub, Identity::user("ann"), protocol).await;
        client.call("1", "Refresh", &json!(["secret"]));
        // A connection without a network has no endpoint that verifies tokens.
        client.receives([failed("1", &invoking("Refresh", " HubException: the hub does not use tokens"))]).await;
        let seen = events.next().await;
        assert!(seen.starts_with("Refresh 0 Err(") && !seen.contains("secret"), "{seen}");
    }
}
