use std::sync::Arc;
use std::time::Duration;

use portos_notifications::broker::catalogue;
use serde_json::{Value, json};
use signalhub_connections::{Connection, ConnectionHandler, Peer};
use signalhub_events::{
    Action, Broker, DeliveredCounts, Event, EventName, Grants, Organisation, PublishError, PublishOptions,
    ResourceName, TraceParent, Tracking,
};
use signalhub_protocol::{Arguments, HubMessage, Invocation, Protocol};
use time::macros::datetime;

use crate::{Hub, HubOptions, Identity, TraceHeader};

/// A broker, its hub, and clients without a network.
pub(super) struct Stage {
    pub(super) broker: Broker,
    pub(super) hub: Hub,
}

impl Stage {
    fn new(default_grants: Grants) -> Self {
        let broker = Broker::builder(catalogue()).node("node").build();
        let hub = Hub::builder().events_with_default(broker.clone(), default_grants).build();
        Self { broker, hub }
    }

    /// Another hub with the same broker, whose clients get the traces of events.
    fn with_trace_headers(&self) -> Self {
        let configure = |options: &mut HubOptions| options.trace_header = TraceHeader::Sent;
        let hub = Hub::builder().events(self.broker.clone()).configure(configure).build();
        Self { broker: self.broker.clone(), hub }
    }

    /// A client of MessagePack, with a subscription to all events of a name.
    async fn messagepack_client(&self, event: &str) -> Peer {
        let (connection, mut peer) = Connection::pair(Identity::user("ann"));
        tokio::spawn(Arc::new(self.hub.clone()).handle(connection));
        peer.send("{\"protocol\":\"messagepack\",\"version\":1}\u{1e}");
        peer.receive().await.unwrap();
        let request = json!([{"e": event}]).to_string();
        let subscribe = Invocation::new("Subscribe", Arguments::Json(request.as_bytes()));
        let subscribe = Invocation { invocation_id: Some("1".into()), ..subscribe };
        let mut bytes = Vec::new();
        Protocol::MessagePack.encode(&HubMessage::Invocation(subscribe), &mut bytes);
        peer.send(bytes);
        peer.receive().await.unwrap();
        peer
    }

    pub(super) async fn client(&self, identity: Identity) -> Client {
        let (connection, mut peer) = Connection::pair(identity);
        tokio::spawn(Arc::new(self.hub.clone()).handle(connection));
        peer.send("{\"protocol\":\"json\",\"version\":1}\u{1e}");
        peer.receive().await.unwrap();
        Client(peer)
    }

    pub(super) async fn publish(&self, event: Event) -> usize {
        self.broker.publish(event).await.unwrap().matched
    }
}

pub(super) struct Client(pub(super) Peer);

impl Client {
    pub(super) async fn next(&mut self) -> Value {
        let message = self.0.receive().await.unwrap();
        serde_json::from_slice(message.strip_suffix(b"\x1e").unwrap()).unwrap()
    }

    /// Calls a method and gives back the error of its completion, if it has one.
    pub(super) async fn call(&mut self, target: &str, request: Value) -> Option<String> {
        self.0.send(format!(
            "{}\u{1e}",
            json!({"type": 1, "invocationId": "1", "target": target, "arguments": [request]})
        ));
        let completion = self.next().await;
        assert_eq!(completion["type"], 3);
        if completion.get("error").is_none() {
            assert_eq!(completion, json!({"type": 3, "invocationId": "1", "result": null}));
        }
        completion["error"].as_str().map(str::to_owned)
    }

    pub(super) async fn subscribe(&mut self, request: Value) {
        assert_eq!(self.call("Subscribe", request).await, None);
    }
}

pub(super) fn changed(resource: &str, action: Action) -> Event {
    let code = match action {
        Action::Created => 1,
        Action::Updated => 2,
        _ => 3,
    };
    Event::new(EventName::new("portos.resources.changed"), json!({"n": resource, "a": code}).to_string())
        .with_resource(ResourceName::new(resource))
        .with_action(action)
}

pub(super) fn activated() -> Event {
    Event::new(EventName::new("portos.licence.activated"), "{}")
}

#[tokio::test]
async fn operators_see_what_a_client_may_see_and_has_subscribed_to_until_it_has_gone() {
    let stage = Stage::new(Grants::All);
    let grants = json!([{"e": "portos.*"}]);
    let identity = Identity::user("ann").with_organisation("acme").with_claim("grants", grants);
    let (connection, mut peer) = Connection::pair(identity);
    let id = connection.id().clone();
    assert!(stage.hub.connected_client(&id).is_none());
    let session = tokio::spawn(Arc::new(stage.hub.clone()).handle(connection));
    peer.send("{\"protocol\":\"json\",\"version\":1}\u{1e}");
    peer.receive().await.unwrap();
    let seen = stage.hub.connected_client(&id).unwrap();
    let scope = seen.scope().unwrap();
    assert_eq!(scope.organisation(), Some(&Organisation::new("acme")));
    assert!(matches!(scope.grants(), Grants::Only(grants) if grants.len() == 1));
    assert_eq!((seen.subscription_count(), seen.filters(), seen.groups()), (0, Vec::new(), Vec::new()));

    let mut client = Client(peer);
    let request = json!({"e": "portos.resources.changed", "r": [{"n": "tickets"}, {"n": "users", "a": ["created"]}]});
    assert_eq!(client.call("Subscribe", request).await, None);
    stage.hub.groups().add(&id, "red").await.unwrap();
    let event = EventName::new("portos.resources.changed");
    assert_eq!((seen.subscription_count(), seen.filters().len()), (2, 2));
    assert!(seen.filters().iter().all(|filter| filter.event == event));
    assert!(seen.has_event(&event) && !seen.has_event(&EventName::new("portos.licence.activated")));
    assert_eq!(seen.groups(), ["red".into()]);
    assert_eq!((seen.id(), seen.protocol(), seen.expires()), (&id, Protocol::Json, None));

    client.0.end(crate::CloseReason::ClientGone);
    session.await.unwrap();
    assert!(stage.hub.connected_client(&id).is_none());
    assert_eq!((seen.subscription_count(), seen.groups()), (0, Vec::new()));
}

#[tokio::test]
async fn operators_find_who_got_an_event_also_after_since() {
    let stage = Stage::new(Grants::All);
    let mut client = stage.client(Identity::user("ann").with_organisation("acme")).await;
    client.subscribe(json!({"e": "portos.resources.changed"})).await;
    let got = async || {
        let position = stage.broker.publish(changed("tickets", Action::Created)).await.unwrap().position;
        let name = EventName::new("portos.resources.changed");
        let (_, matched) = stage.broker.latest_event(&name, position).unwrap();
        let [client] = &matched.clients[..] else { panic!("one client got it") };
        assert_eq!(client.user.as_deref(), Some("ann"));
        client.connection.clone()
    };
    let connection = got().await;
    assert!(stage.hub.connected_client(&(&*connection).into()).is_some());
    client.next().await;
    let request = json!({"e": "portos.licence.activated", "since": null});
    client.0.send(
        json!({"type": 1, "invocationId": "1", "target": "Subscribe", "arguments": [request]}).to_string() + "\u{1e}",
    );
    assert_eq!(client.next().await["result"]["replayed"], 0);
    assert_eq!(got().await, connection);
    let found = stage.broker.attached_clients(10, |client| client.connection == connection).await;
    assert_eq!(found.iter().map(|found| found.filters.len()).sum::<usize>(), 2);
}

#[tokio::test]
async fn a_notification_is_written_as_documented() {
    let stage = Stage::new(Grants::All);
    let mut client = stage.client(Identity::user("ann")).await;
    client.subscribe(json!({"e": "portos.licence.activated"})).await;
    let event = Event::new(EventName::new("portos.licence.activated"), "{\"shopId\":1,  \"x\":2.50}")
        .with_created(datetime!(2024-07-01 12:51:52.558 UTC));
    stage.publish(event).await;
    let message = client.0.receive().await.unwrap();
    let expected = "{\"type\":1,\"target\":\"OnEvent\",\"arguments\":[{\"e\":\"portos.licence.activated\",\"s\":{\"c\":\"node\",\
        \"u\":{\"u\":\"SYSTEM\",\"d\":\"SYSTEM\",\"f\":null}},\"r\":null,\"ca\":\"2024-07-01T12:51:52.558Z\",\"ea\":null,\
        \"p\":{\"shopId\":1,  \"x\":2.50}}]}\u{1e}";
    assert_eq!(message, expected);
}

#[tokio::test]
async fn a_client_of_messagepack_gets_the_same_short_names() {
    let stage = Stage::new(Grants::All);
    let (connection, mut peer) = Connection::pair(Identity::user("ann"));
    tokio::spawn(Arc::new(stage.hub.clone()).handle(connection));
    peer.send("{\"protocol\":\"messagepack\",\"version\":1}\u{1e}");
    peer.receive().await.unwrap();
    let request = json!([{"e": "portos.resources.changed", "r": [{"n": "tickets", "a": ["created"]}]}]).to_string();
    let subscribe = Invocation::new("Subscribe", Arguments::Json(request.as_bytes()));
    let mut bytes = Vec::new();
    Protocol::MessagePack.encode(&HubMessage::Invocation(subscribe), &mut bytes);
    peer.send(bytes);
    let mut json = stage.client(Identity::user("bob")).await;
    json.subscribe(json!({"e": "portos.resources.changed"})).await;
    assert_eq!(stage.publish(changed("tickets", Action::Created)).await, 2);

    let expected = json.next().await;
    let message = peer.receive().await.unwrap();
    let Ok(Some((HubMessage::Invocation(call), _))) = Protocol::MessagePack.decode(&message) else { panic!("a call") };
    let mut arguments = call.arguments.bind(1).unwrap();
    assert_eq!(
        (call.target.as_ref(), arguments.next::<Value>().unwrap()),
        ("OnEvent", expected["arguments"][0].clone())
    );
    assert_eq!(expected["arguments"][0]["p"], json!({"n": "tickets", "a": 1}));
}

#[tokio::test]
async fn the_trace_of_an_event_is_a_header_for_the_clients_of_a_hub_that_sends_it() {
    let plain = Stage::new(Grants::All);
    let traced = plain.with_trace_headers();
    let name = "portos.licence.activated";
    let (mut ann, mut bob) = (plain.client(Identity::user("ann")).await, traced.client(Identity::user("bob")).await);
    ann.subscribe(json!({"e": name})).await;
    bob.subscribe(json!({"e": name})).await;
    let mut packed = traced.messagepack_client(name).await;
    let traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let trace = TraceParent::from_traceparent(traceparent.as_bytes());
    for (event, headers) in
        [(activated().with_trace(trace), json!({ "traceparent": traceparent })), (activated(), Value::Null)]
    {
        assert_eq!(plain.publish(event).await, 3);
        let (without, with) = (ann.next().await, bob.next().await);
        assert_eq!((&without["headers"], &with["headers"]), (&Value::Null, &headers));
        assert_eq!(without["arguments"], with["arguments"]);
        let message = packed.receive().await.unwrap();
        let Ok(Some((HubMessage::Invocation(call), _))) = Protocol::MessagePack.decode(&message) else {
            panic!("a call")
        };
        let sent = call.headers.iter().find(|(name, _)| *name == "traceparent").map(|(_, text)| text);
        assert_eq!(sent, headers["traceparent"].as_str());
    }
}

#[tokio::test(start_paused = true)]
async fn a_publisher_learns_to_how_many_clients_its_event_was_written() {
    let stage = Stage::new(Grants::All);
    let (mut reads, mut idles, mut leaves) = (
        stage.client(Identity::user("ann")).await,
        stage.client(Identity::user("bob")).await,
        stage.client(Identity::user("eve")).await,
    );
    for client in [&mut reads, &mut idles, &mut leaves] {
        client.subscribe(json!({"e": "portos.licence.activated"})).await;
    }
    let options = PublishOptions { tracking: Tracking::On, ..PublishOptions::default() };
    let tracked = stage.broker.publish_with(activated(), options).await.unwrap().tracked.unwrap();
    let publisher = tokio::spawn(tracked.wait(Duration::from_secs(5)));
    reads.next().await;
    drop(leaves);
    assert_eq!(publisher.await.unwrap(), DeliveredCounts { written: 1, ended: 1, waiting: 1 });
}

#[tokio::test]
async fn an_event_that_one_protocol_cannot_represent_is_not_published() {
    let stage = Stage::new(Grants::All);
    let mut client = stage.client(Identity::user("ann")).await;
    client.subscribe(json!({"e": "portos.licence.activated"})).await;
    for payload in ["\"\\ud83d\"", "{\"\\udc00\":1}", "[1e400]", "", "{} {}", "{\"a\":}", &"[".repeat(62), "\"\u{1}\""]
    {
        let event = Event::new(EventName::new("portos.licence.activated"), payload.to_owned());
        let error = stage.broker.publish(event).await.unwrap_err();
        assert!(matches!(error, PublishError::Payload(_)), "{payload}: {error}");
    }
    assert_eq!((stage.broker.published_count(), stage.publish(activated()).await), (0, 1));
    assert_eq!(client.next().await["arguments"][0]["p"], json!({}));
}

#[tokio::test]
async fn each_filter_form_matches_what_it_names() {
    use Action::{Created, Deleted};
    let tickets = [("tickets", Created), ("tickets", Deleted), ("devices", Created)];
    for (resources, expected) in [
        (json!(null), [1, 1, 1]),
        (json!([]), [1, 1, 1]),
        (json!([{"n": "tickets"}]), [1, 1, 0]),
        (json!([{"n": "tickets", "a": []}]), [1, 1, 0]),
        (json!([{"n": "tickets", "a": null}]), [1, 1, 0]),
        (json!([{"n": "tickets", "a": ["created"]}]), [1, 0, 0]),
        (json!([{"n": "tickets", "a": ["created", "deleted"]}, {"n": "devices"}]), [1, 1, 1]),
        (json!([{"N": "devices", "A": ["created"]}]), [0, 0, 1]),
        (json!([{"n": "Tickets"}]), [0, 0, 0]),
    ] {
        let stage = Stage::new(Grants::All);
        let mut client = stage.client(Identity::user("ann")).await;
        client.subscribe(json!({"e": "portos.resources.changed", "r": resources})).await;
        for ((resource, action), expected) in tickets.into_iter().zip(expected) {
            assert_eq!(stage.publish(changed(resource, action)).await, expected, "{resource} {action} for {resources}");
        }
    }
}

#[tokio::test]
async fn an_event_comes_once_however_many_entries_match() {
    let stage = Stage::new(Grants::All);
    let mut client = stage.client(Identity::user("ann")).await;
    for resources in [json!(null), json!([{"n": "tickets"}]), json!([{"n": "tickets", "a": ["created", "created"]}])] {
        client.subscribe(json!({"e": "portos.resources.changed", "r": resources})).await;
    }
    client.subscribe(json!({"e": "portos.licence.activated"})).await;
    assert_eq!(stage.publish(changed("tickets", Action::Created)).await, 1);
    assert_eq!(client.next().await["arguments"][0]["e"], "portos.resources.changed");
    // A second copy of the first event would arrive before this one.
    assert_eq!(stage.publish(activated()).await, 1);
    assert_eq!(client.next().await["arguments"][0]["e"], "portos.licence.activated");
}

#[tokio::test]
async fn unsubscribe_removes_the_entries_that_it_covers_and_no_part_of_others() {
    let changed_event = "portos.resources.changed";
    for (subscribed, unsubscribed, left) in [
        (json!(null), json!(null), 0),
        (json!([{"n": "tickets", "a": ["created"]}]), json!(null), 0),
        (json!([{"n": "tickets", "a": ["created"]}]), json!([{"n": "tickets"}]), 0),
        (json!([{"n": "tickets"}]), json!([{"n": "tickets", "a": ["created"]}]), 1),
        (json!(null), json!([{"n": "tickets"}]), 1),
        (json!([{"n": "tickets"}, {"n": "devices"}]), json!([{"n": "devices"}]), 1),
    ] {
        let stage = Stage::new(Grants::All);
        let mut client = stage.client(Identity::user("ann")).await;
        client.subscribe(json!({"e": changed_event, "r": subscribed})).await;
        assert_eq!(client.call("Unsubscribe", json!({"e": changed_event, "r": unsubscribed})).await, None);
        assert_eq!(stage.broker.subscription_count(), left, "{subscribed} less {unsubscribed}");
        assert_eq!(client.call("Unsubscribe", json!({"e": changed_event, "r": unsubscribed})).await, None);
    }
}

#[tokio::test]
async fn bad_requests_are_answered_with_errors_and_change_nothing() {
    let stage = Stage::new(Grants::All);
    let mut client = stage.client(Identity::user("ann")).await;
    for (request, expected) in [
        (json!({}), "HubException: \"e\" is missing"),
        (json!({"e": ""}), "HubException: \"e\" is missing"),
        (json!({"e": "nope"}), "HubException: unknown event \"nope\""),
        (json!({"e": "portos.resources.changed", "r": [{}]}), "HubException: \"n\" is missing"),
        (
            json!({"e": "portos.resources.changed", "r": [{"n": "tickets"}, {"n": "tickets", "a": ["Created"]}]}),
            "HubException: unknown action \"Created\"",
        ),
        (
            json!({"e": "portos.licence.activated", "r": [{"n": "tickets"}]}),
            "HubException: event \"portos.licence.activated\" has no resources",
        ),
        (json!({"e": 5}), "Failed to invoke"),
        (json!(null), "Failed to invoke"),
    ] {
        for method in ["Subscribe", "Unsubscribe"] {
            let error = client.call(method, request.clone()).await.expect("an error");
            assert!(error.contains(expected), "{method} {request}: {error}");
        }
    }
    assert_eq!(stage.broker.subscription_count(), 0);
}

#[tokio::test]
async fn the_identity_decides_what_is_visible() {
    let claims = |grants: Value| json!({"grants": grants}).as_object().unwrap().clone();
    let stage = Stage::new(Grants::All);
    let mut acme = stage.client(Identity::user("ann").with_organisation("acme")).await;
    let mut stranger = stage.client(Identity::user("bob")).await;
    let only_created = json!([{"e": "portos.*", "r": "tick*", "a": ["created"]}]);
    let mut granted = stage.client(Identity::user("eve").with_claims(claims(only_created))).await;
    for client in [&mut acme, &mut stranger, &mut granted] {
        client.subscribe(json!({"e": "portos.resources.changed"})).await;
    }
    assert_eq!(stage.publish(changed("tickets", Action::Created)).await, 3);
    assert_eq!(stage.publish(changed("tickets", Action::Deleted)).await, 2);
    assert_eq!(
        stage.publish(changed("tickets", Action::Created).with_organisation(Organisation::new("acme"))).await,
        1
    );
}

#[tokio::test]
async fn a_subscription_without_grant_names_what_is_missing() {
    let stage = Stage::new(Grants::Only(Vec::new()));
    let mut client = stage.client(Identity::user("ann")).await;
    let error = client.call("Subscribe", json!({"e": "portos.licence.activated"})).await.unwrap();
    assert!(error.ends_with("HubException: missing grant for event \"portos.licence.activated\""), "{error}");
    let broken = json!({"grants": "everything"}).as_object().unwrap().clone();
    let mut client = stage.client(Identity::user("ann").with_claims(broken)).await;
    let error = client.call("Subscribe", json!({"e": "portos.licence.activated"})).await.unwrap();
    assert!(error.contains("the grants of the token cannot be read"), "{error}");
}

#[tokio::test]
async fn new_credentials_end_the_subscriptions_that_they_do_not_permit() {
    let granted =
        |grants: Value| Identity::user("ann").with_claims(json!({"grants": grants}).as_object().unwrap().clone());
    let tickets = json!([{"e": "portos.resources.*", "r": "tickets"}]);
    for (renewed, left, received) in [
        (Identity::user("ann"), 3, [1, 1, 1]),
        (granted(json!([{"e": "*"}])), 3, [1, 1, 1]),
        (granted(tickets.clone()), 2, [1, 0, 0]),
        (granted(json!([])), 0, [0, 0, 0]),
        (granted(json!("everything")), 0, [0, 0, 0]),
    ] {
        let stage = Stage::new(Grants::All);
        let mut client = stage.client(Identity::user("ann")).await;
        for request in [
            json!({"e": "portos.resources.changed"}),
            json!({"e": "portos.resources.changed", "r": [{"n": "tickets"}]}),
            json!({"e": "portos.licence.activated"}),
        ] {
            client.subscribe(request).await;
        }
        client.0.renew(renewed.clone());
        // The answer to a call shows that the new credentials were read before it.
        assert_eq!(client.call("Unsubscribe", json!({"e": "portos.resources.changed", "r": [{"n": "x"}]})).await, None);
        assert_eq!(stage.broker.subscription_count(), left, "{renewed:?}");
        let events = [changed("tickets", Action::Created), changed("devices", Action::Created), activated()];
        for (event, matched) in events.into_iter().zip(received) {
            let name = event.name.clone();
            assert_eq!(stage.publish(event).await, matched, "{name} for {renewed:?}");
            if matched == 1 {
                assert_eq!(client.next().await["target"], "OnEvent");
            }
        }
        let again = client.call("Subscribe", json!({"e": "portos.licence.activated"})).await;
        assert_eq!(again.is_none(), received[2] == 1, "{again:?}");
        // What was taken away does not come back by itself.
        client.0.renew(Identity::user("ann"));
        assert_eq!(client.call("Unsubscribe", json!({"e": "portos.resources.changed", "r": [{"n": "x"}]})).await, None);
        assert_eq!(stage.broker.subscription_count(), left);
    }
}

#[tokio::test]
async fn a_client_that_reconnects_with_fewer_grants_gets_fewer_events() {
    let stage = Stage::new(Grants::All);
    let (connection, mut peer) = Connection::resumable_pair(Identity::user("ann"));
    tokio::spawn(Arc::new(stage.hub.clone()).handle(connection));
    peer.send("{\"protocol\":\"json\",\"version\":2}\u{1e}");
    peer.receive().await.unwrap();
    let mut client = Client(peer);
    client.subscribe(json!({"e": "portos.licence.activated"})).await;
    client.0.lose();
    assert_eq!(stage.publish(activated()).await, 1, "a suspended connection keeps its subscriptions");
    client.0.renew(Identity::user("ann").with_claims(json!({"grants": []}).as_object().unwrap().clone()));
    client.0.reconnect();
    while client.next().await["type"] != 9 {}
    assert_eq!((stage.publish(activated()).await, stage.broker.subscription_count()), (0, 0));
}

#[tokio::test]
async fn nothing_is_left_when_the_connection_ends() {
    let stage = Stage::new(Grants::All);
    let mut client = stage.client(Identity::user("ann")).await;
    client.subscribe(json!({"e": "portos.resources.changed", "r": [{"n": "a"}, {"n": "b"}]})).await;
    assert_eq!((stage.broker.subscriber_count(), stage.broker.subscription_count()), (1, 2));
    client.0.send("{\"type\":7}\u{1e}");
    while client.0.receive().await.is_some() {}
    assert_eq!((stage.broker.subscriber_count(), stage.broker.subscription_count()), (0, 0));
    assert_eq!(stage.hub.client_count(), 0);
}

#[tokio::test]
async fn a_connection_has_a_limited_number_of_subscriptions() {
    let broker = Broker::builder(catalogue()).build();
    let hub =
        Hub::builder().events(broker.clone()).configure(|options| options.maximum_subscriptions_per_client = 2).build();
    let stage = Stage { broker, hub };
    let mut client = stage.client(Identity::user("ann")).await;
    client.subscribe(json!({"e": "portos.resources.changed", "r": [{"n": "a"}, {"n": "b"}]})).await;
    let error = client.call("Subscribe", json!({"e": "portos.licence.activated"})).await.unwrap();
    assert!(error.ends_with("HubException: a connection has at most 2 subscriptions"), "{error}");
    assert_eq!((stage.broker.subscription_count(), stage.hub.refused_calls().subscriptions), (2, 1));
}

#[tokio::test]
async fn the_names_in_the_subscriptions_of_a_connection_have_a_limited_length() {
    let event = "portos.resources.changed";
    let broker = Broker::builder(catalogue()).build();
    let hub = Hub::builder()
        .events(broker.clone())
        .configure(|options| options.maximum_subscription_bytes_per_client = 3 * event.len() + 300)
        .build();
    let stage = Stage { broker, hub };
    let mut client = stage.client(Identity::user("ann").with_organisation("acme")).await;
    let of = |resources: &[&str]| {
        let resources: Vec<_> = resources.iter().map(|name| json!({ "n": name })).collect();
        json!({"e": event, "r": resources})
    };
    let (longest, long) = ("x".repeat(256), "x".repeat(257));
    for method in ["Subscribe", "Unsubscribe"] {
        let error = client.call(method, of(&["a", &long])).await.unwrap();
        assert!(error.ends_with("HubException: \"n\": a name may have 256 bytes, found 257"), "{error}");
        let error = client.call(method, json!({"e": long})).await.unwrap();
        assert!(error.ends_with("HubException: \"e\": a name may have 256 bytes, found 257"), "{error}");
    }
    client.subscribe(of(&[&longest, "a"])).await;
    let full = "HubException: the names in the subscriptions of a connection have at most 372 bytes";
    let error = client.call("Subscribe", of(&[&"b".repeat(44)])).await.unwrap();
    assert!(error.ends_with(full), "{error}");
    client.subscribe(of(&[&"b".repeat(43)])).await;
    let error = client.call("Subscribe", json!({ "e": event })).await.unwrap();
    assert!(error.ends_with(full), "{error}");
    assert_eq!((stage.broker.subscription_count(), stage.hub.refused_calls().subscriptions), (3, 2));
    assert_eq!(client.call("Unsubscribe", of(&[&longest])).await, None);
    client.subscribe(of(&["c", "d"])).await;
}
