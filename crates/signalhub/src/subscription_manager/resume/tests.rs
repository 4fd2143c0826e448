use std::time::Duration;

use futures_util::FutureExt;
use portos_notifications::SubscriptionRequest;
use portos_notifications::broker::catalogue;
use serde_json::{Value, json};
use signalhub_connections::{Connection, ConnectionHandler};
use signalhub_events::{Action, Grants, History, HistoryLimits, Organisation};
use signalhub_protocol::{Arguments, HubMessage, Invocation, Protocol};
use time::macros::datetime;

use super::super::tests::{Client, Stage, activated, changed};
use super::super::{Subscribing, SubscriptionMethods, Told};
use super::*;
use crate::calls::parameter::Args;
use crate::state::HubState;
use crate::{Hub, HubOptions, Identity, Replays};

const CHANGED: &str = "portos.resources.changed";
const ACTIVATED: &str = "portos.licence.activated";

impl Stage {
    fn with_history(history: History) -> Self {
        Self::with_options(history, |_| {})
    }

    fn with_options(history: History, change: impl FnOnce(&mut HubOptions)) -> Self {
        let broker = Broker::builder(catalogue()).node("node").history(history).build();
        let hub = Hub::builder().events(broker.clone()).configure(change).build();
        Self { broker, hub }
    }

    fn in_memory() -> Self {
        Self::with_history(History::Memory(HistoryLimits::default()))
    }

    async fn ann(&self) -> Client {
        self.client(Identity::user("ann")).await
    }

    /// Publishes events about one ticket each, and returns their positions.
    async fn publish_tickets(&self, count: usize) -> Vec<String> {
        let mut positions = Vec::new();
        for _ in 0..count {
            positions
                .push(self.broker.publish(changed("tickets", Action::Created)).await.unwrap().position.to_string());
        }
        positions
    }

    fn at(&self, offset: u64) -> String {
        Position::new(self.broker.epoch(), offset).to_string()
    }
}

impl Client {
    fn send_call(&mut self, id: &str, target: &str, request: &Value) {
        let call = json!({"type": 1, "invocationId": id, "target": target, "arguments": [request]});
        self.0.send(format!("{call}\u{1e}"));
    }

    /// Subscribes with `since`, and returns the positions of the events that come before the answer, and the answer.
    async fn resume(&mut self, request: Value) -> (Vec<String>, Value) {
        self.send_call("1", "Subscribe", &request);
        let mut positions = Vec::new();
        loop {
            let message = self.next().await;
            if message["type"] == 3 {
                assert_eq!(message.get("error"), None, "{message}");
                return (positions, message["result"].clone());
            }
            assert_eq!(message["target"], "OnEvent");
            positions.push(message["arguments"][0]["r"].as_str().unwrap().to_owned());
        }
    }

    async fn next_position(&mut self) -> Value {
        self.next().await["arguments"][0]["r"].clone()
    }
}

fn memory(change: impl FnOnce(&mut HistoryLimits)) -> History {
    let mut limits = HistoryLimits::default();
    change(&mut limits);
    History::Memory(limits)
}

#[tokio::test]
async fn missed_events_come_in_order_before_the_answer_then_new_ones() {
    let stage = Stage::in_memory();
    let created = datetime!(2024-07-01 12:51:52.558 UTC);
    let event = || Event::new(ACTIVATED.into(), "{\"shopId\":1}").with_created(created);
    for _ in 0..3 {
        stage.publish(event()).await;
    }
    let mut client = stage.ann().await;
    client.send_call("1", "Subscribe", &json!({"e": ACTIVATED, "since": stage.at(2)}));
    let frame = |offset| {
        format!(
            "{{\"type\":1,\"target\":\"OnEvent\",\"arguments\":[{{\"e\":\"portos.licence.activated\",\"s\":{{\"c\":\"node\",\
            \"u\":{{\"u\":\"SYSTEM\",\"d\":\"SYSTEM\",\"f\":null}}}},\"r\":\"{}\",\"ca\":\"2024-07-01T12:51:52.558Z\",\
            \"ea\":null,\"p\":{{\"shopId\":1}}}}]}}\u{1e}",
            stage.at(offset)
        )
    };
    assert_eq!(client.0.receive().await.unwrap(), frame(3));
    let answer = format!(
        "{{\"type\":3,\"invocationId\":\"1\",\"result\":{{\"position\":\"{}\",\"replayed\":1,\"gap\":null}}}}\u{1e}",
        stage.at(3)
    );
    assert_eq!(client.0.receive().await.unwrap(), answer);
    assert_eq!(stage.publish(event()).await, 1);
    assert_eq!(client.0.receive().await.unwrap(), frame(4));
    assert_eq!(stage.hub.replays(), Replays { complete: 1, events: 1, ..Replays::default() });
}

#[tokio::test]
async fn each_form_of_since_has_its_meaning() {
    let stage = Stage::in_memory();
    stage.publish_tickets(4).await;
    for (since, replayed) in [
        (json!(null), vec![]),
        (json!("earliest"), vec![1, 2, 3, 4]),
        (json!(stage.at(0)), vec![1, 2, 3, 4]),
        (json!(stage.at(3)), vec![4]),
        (json!(stage.at(4)), vec![]),
    ] {
        let mut client = stage.ann().await;
        let (positions, answer) = client.resume(json!({"e": CHANGED, "since": since})).await;
        let expected: Vec<String> = replayed.into_iter().map(|offset| stage.at(offset)).collect();
        assert_eq!(positions, expected, "{since}");
        assert_eq!(answer, json!({"position": stage.at(4), "replayed": expected.len(), "gap": null}), "{since}");
    }
}

#[tokio::test]
async fn a_connection_without_since_gets_no_positions() {
    let stage = Stage::in_memory();
    let (mut plain, mut resuming) = (stage.ann().await, stage.ann().await);
    plain.subscribe(json!({ "e": CHANGED })).await;
    resuming.resume(json!({"e": CHANGED, "since": null})).await;
    assert_eq!(stage.publish(changed("tickets", Action::Created)).await, 2);
    assert_eq!(plain.next_position().await, json!(null));
    assert_eq!(resuming.next_position().await, json!(stage.at(1)));
}

#[tokio::test]
async fn the_first_since_of_a_connection_gives_positions_to_all_its_events() {
    let stage = Stage::in_memory();
    let mut client = stage.ann().await;
    client.subscribe(json!({ "e": ACTIVATED })).await;
    stage.publish(activated()).await;
    assert_eq!(client.next_position().await, json!(null));
    client.resume(json!({"e": CHANGED, "since": null})).await;
    assert_eq!(stage.broker.subscriber_count(), 1);
    for matched in [1, 1] {
        assert_eq!(stage.publish(activated()).await, matched);
    }
    assert_eq!(client.next_position().await, json!(stage.at(2)));
    assert_eq!(client.next_position().await, json!(stage.at(3)));
    client.0.send("{\"type\":7}\u{1e}");
    while client.0.receive().await.is_some() {}
    assert_eq!((stage.broker.subscriber_count(), stage.broker.subscription_count()), (0, 0));
}

#[tokio::test]
async fn a_client_of_messagepack_resumes_with_the_same_names() {
    let stage = Stage::in_memory();
    stage.publish_tickets(2).await;
    for (since, replayed) in [(Some(stage.at(1)), 1), (None, 0)] {
        let (connection, mut peer) = Connection::pair(Identity::user("ann"));
        tokio::spawn(Arc::new(stage.hub.clone()).handle(connection));
        peer.send("{\"protocol\":\"messagepack\",\"version\":1}\u{1e}");
        peer.receive().await.unwrap();
        let mut request = Vec::new();
        Protocol::MessagePack.encode_arguments(&(json!({"e": CHANGED, "since": since}),), &mut request).unwrap();
        let mut call = Invocation::new("Subscribe", Arguments::MessagePack(&request));
        call.invocation_id = Some("1".into());
        let mut bytes = Vec::new();
        Protocol::MessagePack.encode(&HubMessage::Invocation(call), &mut bytes);
        peer.send(bytes);
        for _ in 0..replayed {
            let message = peer.receive().await.unwrap();
            let Ok(Some((HubMessage::Invocation(call), _))) = Protocol::MessagePack.decode(&message) else {
                panic!("a call")
            };
            let mut arguments = call.arguments.bind(1).unwrap();
            assert_eq!(arguments.next::<Value>().unwrap()["r"], json!(stage.at(2)));
        }
        let message = peer.receive().await.unwrap();
        let text = String::from_utf8_lossy(&message).into_owned();
        let Ok(Some((HubMessage::Completion(completion), _))) = Protocol::MessagePack.decode(&message) else {
            panic!("a completion: {text}")
        };
        let result = format!("{completion:?}");
        assert!(!result.contains("rror"), "{result}");
        for name in ["position", "replayed", "gap"] {
            assert!(text.contains(name), "{text}");
        }
    }
}

#[tokio::test]
async fn each_gap_is_told_with_its_reason_and_replays_nothing() {
    let check = async |stage: &Stage, request: Value, first: Value, reason: &str| {
        let mut client = stage.ann().await;
        let top = stage.broker.bounds(&CHANGED.into()).position().to_string();
        let (positions, answer) = client.resume(request.clone()).await;
        let gap = json!({"from": request["since"], "first": first, "reason": reason});
        assert_eq!((positions, answer), (vec![], json!({"position": top, "replayed": 0, "gap": gap})));
        // The next event arrives: a refetch after the answer misses nothing.
        assert_eq!(stage.publish(changed("tickets", Action::Created)).await, 1);
        let next = stage.broker.bounds(&CHANGED.into()).position().to_string();
        assert_eq!(client.next_position().await, json!(next));
    };
    let stage =
        Stage::with_options(memory(|limits| limits.each.events = 3), |options| options.maximum_replayed_events = 1);
    stage.publish_tickets(5).await;
    check(&stage, json!({"e": CHANGED, "since": stage.at(1)}), json!(stage.at(3)), "trimmed").await;
    check(&stage, json!({"e": CHANGED, "since": stage.at(9)}), json!(stage.at(4)), "future").await;
    check(&stage, json!({"e": CHANGED, "since": "0000000000000000:7"}), json!(stage.at(5)), "epoch").await;
    check(&stage, json!({"e": CHANGED, "since": stage.at(5)}), json!(stage.at(6)), "limit").await;
    let gaps = stage.hub.replays();
    assert_eq!((gaps.gap, gaps.gaps, gaps.complete), (4, [1, 1, 1, 1, 0, 0], 0));
    let off = Stage::with_history(History::Off);
    off.publish_tickets(2).await;
    check(&off, json!({"e": CHANGED, "since": off.at(2)}), json!(null), "off").await;
}

#[tokio::test]
async fn only_matching_events_count_for_the_limit_and_are_replayed() {
    let stage = Stage::with_options(memory(|_| {}), |options| options.maximum_replayed_events = 2);
    for resource in ["a", "b", "a", "c", "b"] {
        stage.publish(changed(resource, Action::Created)).await;
    }
    let mut client = stage.ann().await;
    let (positions, answer) = client.resume(json!({"e": CHANGED, "r": [{"n": "b"}], "since": stage.at(0)})).await;
    assert_eq!(positions, [stage.at(2), stage.at(5)]);
    assert_eq!(answer, json!({"position": stage.at(5), "replayed": 2, "gap": null}));
}

#[tokio::test]
async fn a_replay_obeys_organisation_grants_and_expiry_of_this_moment() {
    let stage = Stage::in_memory();
    let claims = json!({"grants": [{"e": "portos.*", "r": "tickets"}]}).as_object().unwrap().clone();
    let soon = OffsetDateTime::now_utc() + Duration::from_millis(1);
    for event in [
        changed("tickets", Action::Created),
        changed("devices", Action::Created),
        changed("tickets", Action::Created).with_organisation(Organisation::new("other")),
        changed("tickets", Action::Created).with_expires(soon),
        changed("tickets", Action::Created).with_organisation(Organisation::new("acme")),
    ] {
        stage.publish(event).await;
    }
    while OffsetDateTime::now_utc() <= soon {
        tokio::task::yield_now().await;
    }
    let identity = Identity::user("ann").with_organisation("acme").with_claims(claims);
    let (positions, _) = stage.client(identity).await.resume(json!({"e": CHANGED, "since": "earliest"})).await;
    assert_eq!(positions, [stage.at(1), stage.at(5)]);
}

#[tokio::test]
async fn a_request_that_is_refused_changes_nothing() {
    let stage = Stage::in_memory();
    let mut client = stage.ann().await;
    let expected = "\"since\" is no position: expected \"<epoch>:<offset>\", \"earliest\" or null";
    for since in ["", "latest", "7", "0000000000000000:", "0000000000000000:07", "x:1", "0:1", "FFFFFFFFFFFFFFFF:1"] {
        let error = client.call("Subscribe", json!({"e": CHANGED, "since": since})).await.unwrap();
        assert!(error.ends_with(&format!("HubException: {expected}")), "{since}: {error}");
    }
    let error = client.call("Subscribe", json!({"e": CHANGED, "since": 5})).await.unwrap();
    assert!(error.contains("Failed to invoke"), "{error}");
    let error = client.call("Subscribe", json!({"e": "nope", "since": null})).await.unwrap();
    assert!(error.contains("unknown event \"nope\""), "{error}");
    assert_eq!(stage.broker.subscription_count(), 0);

    client.subscribe(json!({"e": CHANGED, "r": [{"n": "tickets"}]})).await;
    let again = format!(
        "HubException: \"since\" is for the first subscription to an event: this connection has \"{CHANGED}\" already"
    );
    let error = client.call("Subscribe", json!({"e": CHANGED, "since": null})).await.unwrap();
    assert!(error.ends_with(&again), "{error}");
    stage.publish(changed("tickets", Action::Created)).await;
    assert_eq!(client.next_position().await, json!(null), "nothing of the refused request holds");

    // After the last filter was removed, the next one is the first again.
    assert_eq!(client.call("Unsubscribe", json!({ "e": CHANGED })).await, None);
    client.resume(json!({"e": CHANGED, "since": null})).await;
    let error = client.call("Subscribe", json!({"e": CHANGED, "since": null})).await.unwrap();
    assert!(error.ends_with(&again), "{error}");
    assert_eq!(client.call("Unsubscribe", json!({ "e": CHANGED })).await, None);
    let (positions, _) = client.resume(json!({"e": CHANGED, "since": "earliest"})).await;
    assert_eq!(positions, [stage.at(1)]);
}

#[tokio::test]
async fn an_empty_history_keeps_its_position_and_a_second_resume_repeats_nothing() {
    let stage = Stage::with_history(memory(|limits| limits.each.bytes = 0));
    // Before anything was published.
    let (_, answer) = stage.ann().await.resume(json!({"e": CHANGED, "since": null})).await;
    assert_eq!(answer["position"], json!(stage.at(0)));
    let (_, answer) = stage.ann().await.resume(json!({"e": CHANGED, "since": answer["position"]})).await;
    assert_eq!(answer, json!({"position": stage.at(0), "replayed": 0, "gap": null}));
    // All of them were removed.
    stage.publish_tickets(3).await;
    for _ in 0..2 {
        let (_, answer) = stage.ann().await.resume(json!({"e": CHANGED, "since": stage.at(3)})).await;
        assert_eq!(answer, json!({"position": stage.at(3), "replayed": 0, "gap": null}));
    }
    let (_, answer) = stage.ann().await.resume(json!({"e": CHANGED, "since": stage.at(2)})).await;
    assert_eq!(answer["gap"], json!({"from": stage.at(2), "first": stage.at(4), "reason": "trimmed"}));
}

/// More than a client may have queued.
async fn publish_more_than_a_queue_takes(stage: &Stage) -> Vec<String> {
    let payload = format!("{{\"x\":\"{}\"}}", "x".repeat(512 * 1024));
    let mut positions = Vec::new();
    for _ in 0..40 {
        let event = Event::new(ACTIVATED.into(), payload.clone());
        positions.push(stage.broker.publish(event).await.unwrap().position.to_string());
    }
    positions
}

fn large() -> History {
    memory(|limits| limits.each.bytes = 64 << 20)
}

async fn let_run() {
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_replay_waits_for_a_client_that_does_not_read() {
    let stage = Stage::with_history(large());
    let published = publish_more_than_a_queue_takes(&stage).await;
    let mut client = stage.ann().await;
    client.send_call("1", "Subscribe", &json!({"e": ACTIVATED, "since": "earliest"}));
    let_run().await;
    assert_eq!((client.0.close_reason(), stage.broker.subscription_count()), (None, 0), "it is not live yet");
    // What is published meanwhile follows.
    let late = stage.broker.publish(activated()).await.unwrap();
    assert_eq!(late.matched, 0);
    let mut positions = Vec::new();
    let answer = loop {
        let message = client.next().await;
        match message["arguments"][0]["r"].as_str() {
            Some(position) => positions.push(position.to_owned()),
            None => break message["result"].clone(),
        }
    };
    assert_eq!(positions[..40], published[..]);
    assert_eq!(positions[40..], [late.position.to_string()]);
    assert_eq!(answer, json!({"position": late.position.to_string(), "replayed": 41, "gap": null}));
}

#[tokio::test]
async fn unsubscribe_ends_a_replay() {
    let stage = Stage::with_options(large(), |options| options.maximum_parallel_invocations_per_client = 2);
    publish_more_than_a_queue_takes(&stage).await;
    let mut client = stage.ann().await;
    client.send_call("1", "Subscribe", &json!({"e": ACTIVATED, "since": "earliest"}));
    let_run().await;
    client.send_call("2", "Unsubscribe", &json!({ "e": ACTIVATED }));
    let mut answers = Vec::new();
    let mut events = 0;
    while answers.len() < 2 {
        let message = client.next().await;
        if message["type"] == 3 {
            answers.push((message["invocationId"].as_str().unwrap().to_owned(), message["error"].clone()));
        } else {
            events += 1;
        }
    }
    answers.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    assert!(events < 40, "{events}");
    let refused = answers[0].1.as_str().unwrap();
    assert!(refused.ends_with(&format!("HubException: the client has unsubscribed from \"{ACTIVATED}\"")), "{refused}");
    assert_eq!((&answers[1].1, stage.broker.subscription_count()), (&json!(null), 0));
    assert_eq!(stage.hub.replays().refused, 1);
}

#[tokio::test]
async fn new_credentials_hold_for_the_rest_of_a_replay() {
    let stage = Stage::with_history(large());
    publish_more_than_a_queue_takes(&stage).await;
    let mut client = stage.ann().await;
    client.send_call("1", "Subscribe", &json!({"e": ACTIVATED, "since": "earliest"}));
    let_run().await;
    client.0.renew(Identity::user("ann").with_claims(json!({"grants": []}).as_object().unwrap().clone()));
    let_run().await;
    let mut events = 0;
    let error = loop {
        let message = client.next().await;
        match message["error"].as_str() {
            Some(error) => break error.to_owned(),
            None => events += 1,
        }
    };
    assert!(events < 40, "{events}");
    assert!(error.ends_with(&format!("HubException: missing grant for event \"{ACTIVATED}\"")), "{error}");
    assert_eq!(stage.broker.subscription_count(), 0);
}

#[tokio::test]
async fn nothing_is_left_of_a_replay_when_the_connection_ends() {
    let stage = Stage::with_history(large());
    publish_more_than_a_queue_takes(&stage).await;
    let mut client = stage.ann().await;
    client.send_call("1", "Subscribe", &json!({"e": ACTIVATED, "since": "earliest"}));
    let_run().await;
    drop(client);
    let_run().await;
    assert_eq!((stage.broker.subscriber_count(), stage.broker.subscription_count()), (0, 0));
    assert_eq!((stage.hub.replays().ended, stage.hub.client_count()), (1, 0));
}

#[tokio::test]
async fn positions_are_told_when_they_moved_to_clients_that_have_used_since() {
    let broker = Broker::builder(catalogue()).history(memory(|_| {})).build();
    let methods = SubscriptionMethods::new(broker.clone(), Grants::All);
    let (connection, mut peer) = Connection::pair(Identity::user("ann"));
    let (id, identity) = (connection.id().clone(), Arc::clone(connection.identity()));
    let client =
        Arc::new(crate::clients::client::Client::new(id, identity, Protocol::Json, connection.outbound(), None));
    client.outbound().uncork();
    let state = Arc::new(HubState::new(HubOptions::default(), None, tokio::time::Instant::now()));
    let caller = Caller::new(Arc::clone(&client), state);
    let rare = SubscriptionRequest::new(CHANGED).with_resource("rare", [""; 0]);

    methods.subscribe(&caller, Args((SubscriptionRequest::new(ACTIVATED),))).unwrap();
    broker.publish(changed("tickets", Action::Created)).await.unwrap();
    assert_eq!(methods.tell_positions(&client), Told::Nothing, "it has not used since");
    let answer = methods.subscribe(&caller, Args((rare.clone().with_since(None),))).unwrap();
    let Subscribing::Resuming(replay) = answer else { panic!("a replay") };
    replay.await.unwrap();
    assert_eq!(methods.tell_positions(&client), Told::Nothing, "it has not moved");
    let position = broker.publish(changed("tickets", Action::Created)).await.unwrap().position;
    assert_eq!(methods.tell_positions(&client), Told::Nothing, "deliveries are on their way");
    let_run().await;
    assert_eq!(methods.tell_positions(&client), Told::Something);
    let expected = format!(
        "{{\"type\":1,\"target\":\"OnPosition\",\"arguments\":[\"portos.resources.changed\",\"{position}\"]}}\u{1e}"
    );
    assert_eq!(peer.receive().await.unwrap(), expected);
    assert_eq!(methods.tell_positions(&client), Told::Nothing, "it was told");
    // Not any more for an event whose last filter was removed.
    methods.unsubscribe(&caller, Args((rare,))).unwrap();
    broker.publish(changed("tickets", Action::Created)).await.unwrap();
    let_run().await;
    assert_eq!(methods.tell_positions(&client), Told::Nothing);
    assert!(peer.receive().now_or_never().is_none());
}
