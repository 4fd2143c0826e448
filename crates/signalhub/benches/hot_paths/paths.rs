//! The hot paths, each as a function that prepares and then repeats.

use std::hint::black_box;
use std::sync::Arc;

use bytes::Bytes;
use signalhub::connections::{ConnectionHandler, Peer};
use signalhub::events::{
    Action, Broker, Delivery, Event, EventName, Filter, Offered, ResourceName, Scope, Subscriber, Subscriptions,
};
use signalhub::portos::broker::catalogue;
use signalhub::protocol::{HubMessage, Protocol};
use signalhub::{Args, CloseReason, Connection, ConnectionId, Hub, HubError, Identity};
use tokio::runtime::Builder;
use tokio::task::JoinHandle;

type Path = (&'static str, fn(usize));

pub(crate) const PATHS: [Path; 13] = [
    ("decode an invocation of 341 bytes, json", |n| decode(Protocol::Json, n)),
    ("decode an invocation of 341 bytes, messagepack", |n| decode(Protocol::MessagePack, n)),
    ("encode an invocation of 341 bytes, json", |n| encode(Protocol::Json, n)),
    ("encode an invocation of 341 bytes, messagepack", |n| encode(Protocol::MessagePack, n)),
    ("answer a call, from its bytes to those of the answer", |n| run(calls(n))),
    ("publish to 10 subscribers", |n| run(matches(0, n))),
    ("publish to 10 subscribers beside 10 000 others", |n| run(matches(10_000, n))),
    ("publish to 100 clients, into their queues", |n| run(deliveries(1, n))),
    ("publish 16 events at once to 100 clients", |n| run(deliveries(16, n))),
    ("send to a user of 2 connections beside 10 users", |n| run(sends(10, n))),
    ("send to a user of 2 connections beside 1 000 users", |n| run(sends(1_000, n))),
    ("connect, join 2 groups and leave beside 10 groups", |n| run(visits(10, n))),
    ("connect, join 2 groups and leave beside 10 000 groups", |n| run(visits(10_000, n))),
];

fn run(path: impl Future<Output = ()>) {
    Builder::new_current_thread().enable_all().build().unwrap().block_on(path);
}

/// An invocation as the hub of Portos sends it.
fn invocation(protocol: Protocol) -> Vec<u8> {
    let record = format!(
        "{}{}{}",
        r#"{"type":1,"target":"OnEvent","arguments":[{"e":"portos.resources.changed","s":{"c":"52f81d026a1a8efa","u":{"u":"SYSTEM","d":"SYSTEM","f":null}},"r":null,"ca":"2026-11-22T21:54:29.697Z","ea":null,"p":{"u":{"u":"999","d":"BackOffice","f":null},"n":"tickets","a":1,"i":{"i":"573f4511088c772684a738f8","n":"tickets","v":7},"r":["#,
        format_args!(r#"{{"note":"{}"}}"#, "x".repeat(36)),
        "]}}]}\u{1e}"
    );
    let (message, _) = Protocol::Json.decode(record.as_bytes()).unwrap().unwrap();
    let mut bytes = Vec::new();
    protocol.encode(&message, &mut bytes);
    bytes
}

fn decode(protocol: Protocol, repetitions: usize) {
    let bytes = invocation(protocol);
    for _ in 0..repetitions {
        black_box(protocol.decode(black_box(&bytes)).unwrap());
    }
}

fn encode(protocol: Protocol, repetitions: usize) {
    let bytes = invocation(protocol);
    let (message, _) = protocol.decode(&bytes).unwrap().unwrap();
    assert!(matches!(message, HubMessage::Invocation(_)));
    let mut out = Vec::new();
    for _ in 0..repetitions {
        out.clear();
        protocol.encode(black_box(&message), &mut out);
    }
    black_box(out);
}

/// A client's end of a connection whose handshake is done.
struct Client {
    peer: Peer,
    id: ConnectionId,
    session: JoinHandle<()>,
}

impl Client {
    async fn connect(hub: &Hub, user: &str) -> Self {
        let (connection, peer) = Connection::pair(Identity::user(user));
        let id = connection.id().clone();
        let session = tokio::spawn(Arc::new(hub.clone()).handle(connection));
        let mut client = Self { peer, id, session };
        assert_eq!(client.ask("{\"protocol\":\"json\",\"version\":1}\u{1e}").await, "{}\u{1e}");
        client
    }

    async fn ask(&mut self, record: &str) -> Bytes {
        self.peer.send(record);
        self.hear().await
    }

    async fn hear(&mut self) -> Bytes {
        self.peer.receive().await.unwrap()
    }

    async fn leave(mut self) {
        self.peer.end(CloseReason::ClientGone);
        self.session.await.unwrap();
    }
}

async fn calls(repetitions: usize) {
    let echo = async |Args((text,)): Args<(String,)>| Ok::<_, HubError>(text);
    let hub = Hub::builder().method("Echo", echo).build();
    let mut client = Client::connect(&hub, "ann").await;
    for _ in 0..repetitions {
        let answer = client
            .ask("{\"type\":1,\"invocationId\":\"1\",\"target\":\"Echo\",\"arguments\":[\"hello, hub\"]}\u{1e}")
            .await;
        assert_eq!(answer, "{\"type\":3,\"invocationId\":\"1\",\"result\":\"hello, hub\"}\u{1e}");
    }
}

/// A subscriber that does nothing.
struct NoClient;

impl Subscriber for NoClient {
    fn offer(&self, _: &Delivery) -> Offered {
        Offered::Accepted
    }
}

fn tickets() -> Event {
    let name = EventName::new("portos.resources.changed");
    let payload = r#"{"u":{"u":"999","d":"BackOffice","f":null},"n":"tickets","a":1,"i":{"i":"573f4511088c772684a738f8","n":"tickets","v":7},"r":[{"note":"xxxxxxxxxxxxxxxx"}]}"#;
    Event::new(name, payload).with_resource(ResourceName::new("tickets")).with_action(Action::Created)
}

/// A broker remembers this number of the latest events. Until this number was published, it takes more memory for each, which is not measured.
const REMEMBERED: usize = 100;

async fn matches(others: usize, repetitions: usize) {
    let broker = Broker::builder(catalogue()).shards(1).build();
    let subscribe = |number: usize| -> Subscriptions {
        let resource = if number < 10 { "tickets".to_owned() } else { format!("resource-{number}") };
        let mut subscriptions = broker.attach(Arc::new(NoClient), Scope::unrestricted());
        subscriptions.add(&Filter::new(tickets().name).with_resource(ResourceName::new(resource))).unwrap();
        subscriptions
    };
    let _subscriptions: Vec<Subscriptions> = (0..others + 10).map(subscribe).collect();
    for _ in 0..REMEMBERED + repetitions {
        assert_eq!(broker.publish(tickets()).await.unwrap().matched, 10);
        tokio::task::yield_now().await;
    }
}

async fn deliveries(events: usize, repetitions: usize) {
    let broker = Broker::builder(catalogue()).shards(1).build();
    let hub = Hub::builder().events(broker.clone()).build();
    let mut clients = Vec::new();
    for _ in 0..100 {
        let mut client = Client::connect(&hub, "ann").await;
        client.ask("{\"type\":1,\"invocationId\":\"1\",\"target\":\"Subscribe\",\"arguments\":[{\"e\":\"portos.resources.changed\"}]}\u{1e}").await;
        clients.push(client);
    }
    for _ in 0..REMEMBERED.div_ceil(events) + repetitions {
        for _ in 0..events {
            assert_eq!(broker.publish(tickets()).await.unwrap().matched, 100);
        }
        for client in &mut clients {
            for _ in 0..events {
                client.hear().await;
            }
        }
    }
}

async fn sends(users: usize, repetitions: usize) {
    let hub = Hub::builder().build();
    let mut ann = [Client::connect(&hub, "ann").await, Client::connect(&hub, "ann").await];
    let mut others = Vec::new();
    for user in 0..users {
        others.push(Client::connect(&hub, &format!("user-{user}")).await);
    }
    for _ in 0..repetitions {
        hub.clients().user("ann").send("News", ("hello",)).await.unwrap();
        for client in &mut ann {
            client.hear().await;
        }
    }
}

async fn visits(groups: usize, repetitions: usize) {
    let hub = Hub::builder().build();
    let host = Client::connect(&hub, "host").await;
    for group in 0..groups {
        hub.groups().add(&host.id, &format!("group-{group}")).await.unwrap();
    }
    for _ in 0..repetitions {
        let guest = Client::connect(&hub, "guest").await;
        hub.groups().add(&guest.id, "group-1").await.unwrap();
        hub.groups().add(&guest.id, "group-2").await.unwrap();
        guest.leave().await;
    }
}
