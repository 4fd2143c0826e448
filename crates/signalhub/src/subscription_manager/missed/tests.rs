use std::sync::{Arc, Mutex};
use std::time::Duration;

use portos_notifications::broker::catalogue;
use serde_json::{Value, json};
use signalhub_connections::{Connection, ConnectionHandler};
use signalhub_events::{
    Action, Arrival, Bounds, Broker, Epoch, EventId, EventName, GapReason, History, LogCounts, LogFuture,
    LogUnavailable, Missed, Opened, Page, Position, ReadRange, SharedEvents, SharedLog, SharedPublish,
    SharedPublishError, SharedPublished, Untold,
};

use super::super::tests::{Client, Stage, changed};
use crate::{Hub, Identity};

const CHANGED: &str = "portos.resources.changed";

/// A shared log that takes no events, and brings in what its test wants.
#[derive(Debug, Default)]
struct Foreign(Mutex<Option<SharedEvents>>);

impl SharedLog for Foreign {
    fn open(&self, events: SharedEvents) -> Opened {
        *self.0.lock().unwrap() = Some(events);
        let mut opened = Opened::empty();
        opened.names.push((EventName::new(CHANGED), at(1, 40)));
        opened
    }

    fn publish(&self, _: SharedPublish) -> LogFuture<'_, Result<SharedPublished, SharedPublishError>> {
        Box::pin(async { Err(SharedPublishError::Unavailable) })
    }

    fn patience(&self) -> Duration {
        Duration::ZERO
    }

    fn bounds(&self, _: &EventName) -> Option<Bounds> {
        None
    }

    fn first_epoch(&self, _: &EventName) -> Epoch {
        Epoch::new(1)
    }

    fn read(&self, _: ReadRange) -> LogFuture<'_, Result<Page, LogUnavailable>> {
        Box::pin(async { Err(LogUnavailable) })
    }

    fn sync(&self) -> LogFuture<'_, Result<(), LogUnavailable>> {
        Box::pin(async { Err(LogUnavailable) })
    }

    fn is_durable(&self) -> bool {
        false
    }

    fn counts(&self) -> LogCounts {
        LogCounts::default()
    }
}

impl Foreign {
    fn stage() -> (Arc<Self>, Stage) {
        let log = Arc::<Self>::default();
        let broker = Broker::builder(catalogue()).node("node").history(History::Shared(log.clone())).build();
        let hub = Hub::builder().events(broker.clone()).build();
        (log, Stage { broker, hub })
    }

    fn events(&self) -> SharedEvents {
        self.0.lock().unwrap().clone().unwrap()
    }

    async fn bring(&self, position: Position) {
        let mut event = changed("tickets", Action::Created);
        event.id = Some(EventId::new(Epoch::new(7), position.offset()));
        self.events().arrived(Arrival::new(Arc::new(event), position)).await.unwrap();
    }

    async fn miss(&self, untold: Untold) {
        let mut missed = Missed::new(EventName::new(CHANGED), at(1, 41), at(2, 0), GapReason::Epoch);
        missed.untold = untold;
        self.events().missed(missed).await.unwrap();
    }
}

fn at(epoch: u64, offset: u64) -> Position {
    Position::new(Epoch::new(epoch), offset)
}

impl Client {
    async fn subscribe_since(&mut self, event: &str, since: Value) -> Value {
        let request = json!({"e": event, "since": since});
        let call = json!({"type": 1, "invocationId": "1", "target": "Subscribe", "arguments": [request]});
        self.0.send(format!("{call}\u{1e}"));
        self.next().await
    }
}

#[tokio::test]
async fn a_client_that_has_used_since_is_told_of_a_gap_between_the_events_around_it() {
    let (log, stage) = Foreign::stage();
    let mut client = stage.client(Identity::user("ann")).await;
    let answer = client.subscribe_since(CHANGED, json!(null)).await;
    assert_eq!(answer["result"]["position"], at(1, 40).to_string());
    log.bring(at(1, 41)).await;
    log.miss(Untold::Closed).await;
    log.bring(at(2, 1)).await;
    assert_eq!(client.next().await["arguments"][0]["r"], at(1, 41).to_string());
    let gap = "{\"type\":1,\"target\":\"OnGap\",\"arguments\":[\"portos.resources.changed\",{\"from\":\"0000000000000001:41\",\
        \"first\":\"0000000000000002:1\",\"reason\":\"epoch\"}]}\u{1e}";
    assert_eq!(client.0.receive().await.unwrap(), gap);
    assert_eq!(client.next().await["arguments"][0]["r"], at(2, 1).to_string());
    assert_eq!(stage.broker.missed_counts().told, 1);
}

#[tokio::test]
async fn a_client_that_subscribes_behind_a_gap_is_not_told_of_it() {
    let (log, stage) = Foreign::stage();
    log.miss(Untold::Counted).await;
    let mut client = stage.client(Identity::user("ann")).await;
    assert_eq!(client.subscribe_since(CHANGED, json!(null)).await["result"]["position"], at(2, 0).to_string());
    // As if it had subscribed while the others were told.
    log.miss(Untold::Counted).await;
    log.bring(at(2, 1)).await;
    assert_eq!(client.next().await["target"], "OnEvent");
}

#[tokio::test]
async fn a_client_that_cannot_be_told_is_counted_or_its_connection_ends() {
    let (log, stage) = Foreign::stage();
    let mut client = stage.client(Identity::user("ann")).await;
    client.subscribe(json!({"e": CHANGED})).await;
    log.miss(Untold::Counted).await;
    assert_eq!(stage.broker.missed_counts().untold, 1);
    log.bring(at(2, 1)).await;
    assert_eq!(client.next().await["arguments"][0]["r"], json!(null));
    log.miss(Untold::Closed).await;
    assert_eq!(client.next().await, json!({"type": 7, "allowReconnect": true}));
}

#[tokio::test]
async fn a_client_of_messagepack_gets_a_gap_with_the_names_of_its_members() {
    let (log, stage) = Foreign::stage();
    let (connection, mut peer) = Connection::pair(Identity::user("ann"));
    tokio::spawn(Arc::new(stage.hub.clone()).handle(connection));
    peer.send("{\"protocol\":\"messagepack\",\"version\":1}\u{1e}");
    peer.receive().await.unwrap();
    let request = json!([{"e": CHANGED, "since": null}]).to_string();
    let subscribe =
        signalhub_protocol::Invocation::new("Subscribe", signalhub_protocol::Arguments::Json(request.as_bytes()));
    let subscribe = signalhub_protocol::Invocation { invocation_id: Some("1".into()), ..subscribe };
    let mut bytes = Vec::new();
    signalhub_protocol::Protocol::MessagePack
        .encode(&signalhub_protocol::HubMessage::Invocation(subscribe), &mut bytes);
    peer.send(bytes);
    peer.receive().await.unwrap();
    log.miss(Untold::Counted).await;
    let message = peer.receive().await.unwrap();
    let text = String::from_utf8_lossy(&message);
    for expected in ["OnGap", "from", "0000000000000001:41", "first", "0000000000000002:1", "reason", "epoch"] {
        assert!(text.contains(expected), "{expected} in {text}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_ahead_of_its_new_node_is_told_of_no_gap_if_the_node_reads_the_events_within_a_second() {
    let (log, stage) = Foreign::stage();
    let mut client = stage.client(Identity::user("ann")).await;
    let catch_up = async {
        for offset in 41..=43 {
            tokio::time::sleep(Duration::from_millis(300)).await;
            log.bring(at(1, offset)).await;
        }
    };
    let since = json!(at(1, 43).to_string());
    let (answer, ()) = tokio::join!(client.subscribe_since(CHANGED, since), catch_up);
    let result = &answer["result"];
    assert_eq!((&result["position"], &result["gap"]), (&json!(at(1, 43).to_string()), &Value::Null));
    log.bring(at(1, 44)).await;
    assert_eq!(client.next().await["arguments"][0]["r"], at(1, 44).to_string());
    let mut other = stage.client(Identity::user("bob")).await;
    let answer = other.subscribe_since(CHANGED, json!(at(1, 99).to_string())).await;
    assert_eq!(answer["result"]["gap"]["reason"], "future", "no event comes");
}
