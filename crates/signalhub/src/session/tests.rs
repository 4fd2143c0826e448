mod stopping;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde::{Serialize, Serializer};
use serde_json::json;
use signalhub_connections::{ConnectionHandler, Identity, Peer};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;

use crate::{
    Args, Caller, Clients, CloseReason, Connection, Disconnected, ErrorDetails, Hub, HubBuilder, HubError, Policy,
    ShutdownMessage, State, require,
};

/// What the test's hub shares with the test.
#[derive(Clone)]
struct Shared {
    gate: Arc<Semaphore>,
    gone: mpsc::Sender<Option<Arc<str>>>,
    released: Arc<AtomicUsize>,
}

struct NoJson;

impl Serialize for NoJson {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("no way"))
    }
}

/// Waits until the test opens the gate.
async fn wait(State(shared): State<Shared>, Args((name,)): Args<(String,)>) -> Result<String, HubError> {
    shared.gate.acquire().await.map_err(|error| HubError::internal("Closed", error))?.forget();
    shared.released.fetch_add(1, Ordering::SeqCst);
    Ok(name)
}

fn hub() -> (HubBuilder<Shared>, Shared, mpsc::Receiver<Option<Arc<str>>>) {
    let (gone, left) = mpsc::channel(4);
    let shared = Shared { gate: Arc::new(Semaphore::new(0)), gone, released: Arc::default() };
    let hub = Hub::builder()
        .state(shared.clone())
        .method("Echo", async |Args((value,)): Args<(String,)>| Ok(value))
        .method("Wait", wait)
        .method("Fail", async || Err::<(), _>(HubError::internal("Trouble", "secret")))
        .method("Refuse", async || Err::<(), _>(HubError::new("no")))
        .method("Panic", async || -> Result<(), HubError> { panic!("on purpose") })
        .method("NoJson", async || Ok(NoJson))
        .method("Abort", async |caller: Caller| {
            caller.abort();
            Ok(())
        })
        .method("Say", async |clients: Clients, Args((text,)): Args<(String,)>| {
            Ok(clients.all().send("Said", (text,)).await?)
        })
        .method("Secret", require(Policy::authenticated(), async || Ok("secret")))
        .on_disconnected(async |State(shared): State<Shared>, Disconnected(error): Disconnected| {
            shared.gone.send(error).await.map_err(|error| HubError::internal("Closed", error))
        });
    (hub, shared, left)
}

/// A client of a hub, without a network.
struct Client {
    peer: Peer,
    session: JoinHandle<()>,
}

impl Client {
    fn connect(hub: &Hub, identity: Identity) -> Self {
        let (connection, peer) = Connection::pair(identity);
        let session = tokio::spawn(Arc::new(hub.clone()).handle(connection));
        Self { peer, session }
    }

    async fn shaken(hub: &Hub) -> Self {
        let mut client = Self::connect(hub, Identity::user("ann"));
        client.peer.send("{\"protocol\":\"json\",\"version\":1}\u{1e}");
        assert_eq!(client.next().await, "{}");
        client
    }

    fn say(&mut self, message: &serde_json::Value) {
        self.peer.send(format!("{message}\u{1e}"));
    }

    fn call(&mut self, id: &str, target: &str, arguments: &serde_json::Value) {
        self.say(&json!({"type": 1, "invocationId": id, "target": target, "arguments": arguments}));
    }

    async fn next(&mut self) -> String {
        let message = self.peer.receive().await.expect("a message");
        String::from_utf8(message.to_vec()).unwrap().trim_end_matches('\u{1e}').to_owned()
    }

    async fn completes(&mut self, id: &str, outcome: &str) {
        assert_eq!(self.next().await, format!("{{\"type\":3,\"invocationId\":\"{id}\",{outcome}}}"));
    }

    /// Waits for the end of the connection and returns its reason.
    async fn ends(mut self) -> CloseReason {
        let end = tokio::time::timeout(Duration::from_secs(10), self.peer.receive()).await;
        assert_eq!(end.expect("the connection ends"), None);
        self.session.await.unwrap();
        self.peer.close_reason().unwrap()
    }
}

#[tokio::test]
async fn calls_are_answered_in_order_with_the_texts_of_the_original() {
    let (hub, _shared, _left) = hub();
    let hub = hub.build();
    let mut client = Client::shaken(&hub).await;
    for (target, arguments, outcome) in [
        ("echo", json!(["hi"]), "\"result\":\"hi\""),
        ("Fail", json!([]), "\"error\":\"An unexpected error occurred invoking 'Fail' on the server.\""),
        (
            "Refuse",
            json!([]),
            "\"error\":\"An unexpected error occurred invoking 'Refuse' on the server. HubException: no\"",
        ),
        ("Panic", json!([]), "\"error\":\"An unexpected error occurred invoking 'Panic' on the server.\""),
        ("ECHO", json!([1]), "\"error\":\"Failed to invoke 'Echo' due to an error on the server.\""),
        (
            "Nope",
            json!([]),
            "\"error\":\"Failed to invoke 'Nope' due to an error on the server. HubException: Method does not exist.\"",
        ),
    ] {
        client.call("1", target, &arguments);
        client.completes("1", outcome).await;
    }
}

#[tokio::test]
async fn a_second_call_waits_and_a_call_that_cannot_start_does_not() {
    let (hub, shared, _) = hub();
    let mut client = Client::shaken(&hub.build()).await;
    client.call("1", "Wait", &json!(["a"]));
    client.call("2", "Nope", &json!([]));
    client.call("3", "Wait", &json!(["b"]));
    client.call("4", "Nope", &json!([]));
    assert!(client.next().await.contains("\"invocationId\":\"2\""));
    shared.gate.add_permits(1);
    client.completes("1", "\"result\":\"a\"").await;
    assert!(client.next().await.contains("\"invocationId\":\"4\""));
    shared.gate.add_permits(1);
    client.completes("3", "\"result\":\"b\"").await;
}

#[tokio::test]
async fn as_many_calls_as_allowed_run_in_parallel() {
    let (hub, shared, _) = hub();
    let mut client =
        Client::shaken(&hub.configure(|options| options.maximum_parallel_invocations_per_client = 2).build()).await;
    client.call("1", "Wait", &json!(["a"]));
    client.call("2", "Echo", &json!(["b"]));
    client.completes("2", "\"result\":\"b\"").await;
    shared.gate.add_permits(1);
    client.completes("1", "\"result\":\"a\"").await;
}

#[tokio::test]
async fn a_call_goes_on_when_its_client_has_gone() {
    let (hub, shared, mut left) = hub();
    let hub = hub.build();
    let mut client = Client::shaken(&hub).await;
    client.call("1", "Wait", &json!(["a"]));
    client.say(&json!({"type": 7}));
    assert_eq!(client.next().await, "{\"type\":7}");
    assert_eq!(left.recv().await, Some(None));
    assert_eq!(client.ends().await, CloseReason::ClientClosed);
    assert_eq!(hub.client_count(), 0);
    shared.gate.add_permits(1);
    let released = async {
        while shared.released.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), released).await.expect("the call ends");
}

#[tokio::test]
async fn sessions_end_with_the_recorded_messages_and_errors() {
    const ERROR: &str = "{\"type\":7,\"error\":\"Connection closed with an error.\",\"allowReconnect\":true}";
    const DETAIL: &str = "{\"type\":7,\"error\":\"Connection closed with an error. InvalidDataException: Error reading \
        JSON.\",\"allowReconnect\":true}";
    for (details, sent, last, error) in [
        (ErrorDetails::Hidden, "{\"type\":7}\u{1e}", "{\"type\":7}", None),
        (ErrorDetails::Hidden, "{\"type\":7,\"error\":\"e\"}\u{1e}", "{\"type\":7}", Some("e")),
        (ErrorDetails::Hidden, "nonsense\u{1e}", ERROR, Some("Error reading JSON.")),
        (ErrorDetails::Shown, "nonsense\u{1e}", DETAIL, Some("Error reading JSON.")),
        (
            ErrorDetails::Hidden,
            "{\"type\":1,\"invocationId\":\"1\",\"target\":\"NoJson\",\"arguments\":[]}\u{1e}",
            ERROR,
            Some("no way"),
        ),
        (
            ErrorDetails::Hidden,
            "{\"type\":1,\"invocationId\":\"1\",\"target\":\"Abort\",\"arguments\":[]}\u{1e}",
            "{\"type\":7}",
            None,
        ),
    ] {
        let (hub, _, mut left) = hub();
        let mut client = Client::shaken(&hub.configure(|options| options.error_details = details).build()).await;
        client.peer.send(sent);
        assert_eq!(client.next().await, last, "{sent}");
        assert_eq!(left.recv().await.unwrap().as_deref(), error, "{sent}");
        client.ends().await;
    }
}

#[tokio::test]
async fn a_transport_that_is_lost_within_a_message_is_an_error() {
    for (sent, error) in [("", None), ("{\"type\":6", Some("Connection terminated while reading a message."))] {
        let (hub, _, mut left) = hub();
        let mut client = Client::shaken(&hub.build()).await;
        client.peer.send(sent);
        client.peer.end(CloseReason::ClientGone);
        assert_eq!(left.recv().await.unwrap().as_deref(), error);
        client.ends().await;
    }
}

#[tokio::test]
async fn a_client_that_on_connected_refuses_does_not_disconnect() {
    let (hub, _, mut left) = hub();
    let hub = hub.on_connected(async || Err::<(), _>(HubError::new("full"))).build();
    let mut client = Client::shaken(&hub).await;
    assert_eq!(client.next().await, "{\"type\":7,\"error\":\"Connection closed with an error. HubException: full\"}");
    client.ends().await;
    drop(hub);
    assert_eq!(left.recv().await, None);
}

#[tokio::test]
async fn nothing_is_read_before_on_connected_is_done() {
    let (hub, shared, _) = hub();
    let hub = hub
        .on_connected(async |State(shared): State<Shared>, clients: Clients| {
            shared.gate.acquire().await.map_err(|error| HubError::internal("Closed", error))?.forget();
            Ok(clients.caller().send("Ready", ()).await?)
        })
        .build();
    let mut client = Client::shaken(&hub).await;
    client.call("1", "Echo", &json!(["hi"]));
    tokio::task::yield_now().await;
    shared.gate.add_permits(1);
    assert_eq!(client.next().await, "{\"type\":1,\"target\":\"Ready\",\"arguments\":[]}");
    client.completes("1", "\"result\":\"hi\"").await;
}

#[tokio::test]
async fn only_clients_that_a_policy_admits_may_call() {
    let (hub, _shared, _left) = hub();
    let hub = hub.build();
    for (identity, outcome) in [
        (Identity::user("ann"), "\"result\":\"secret\""),
        (Identity::anonymous(), "\"error\":\"Failed to invoke 'Secret' because user is unauthorized\""),
    ] {
        let mut client = Client::connect(&hub, identity);
        client.peer.send("{\"protocol\":\"json\",\"version\":1}\u{1e}");
        client.next().await;
        client.call("1", "Secret", &json!([]));
        client.completes("1", outcome).await;
    }
}

#[tokio::test]
async fn a_broadcast_reaches_all_clients() {
    let (hub, _shared, _left) = hub();
    let hub = hub.build();
    let mut clients = [Client::shaken(&hub).await, Client::shaken(&hub).await];
    clients[0].say(&json!({"type": 1, "target": "Say", "arguments": ["hi"]}));
    for client in &mut clients {
        assert_eq!(client.next().await, "{\"type\":1,\"target\":\"Said\",\"arguments\":[\"hi\"]}");
    }
    assert_eq!(hub.client_count(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_handshake_that_does_not_arrive_is_canceled() {
    let (hub, _shared, _left) = hub();
    let mut client = Client::connect(
        &hub.configure(|options| options.handshake_timeout = Duration::from_secs(3)).build(),
        Identity::anonymous(),
    );
    client.peer.send("{\"protocol\":");
    assert_eq!(client.next().await, "{\"error\":\"Handshake was canceled.\"}");
    assert_eq!(client.ends().await, CloseReason::HandshakeTimeout);
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_left_alone_until_something_is_due() {
    let (hub, _shared, _left) = hub();
    let mut client = Client::shaken(&hub.build()).await;
    let skipped = async |client: &Client| {
        tokio::task::yield_now().await;
        (0..40).take_while(|_| !client.peer.tick()).count()
    };
    assert_eq!(skipped(&client).await, 0);
    assert_eq!(skipped(&client).await, 40, "nothing is due: a peer that takes messages one by one gets no pings");
    client.say(&json!({"type": 6}));
    assert_eq!(skipped(&client).await, 0, "the timeout of the client begins");
    assert_eq!(skipped(&client).await, 29, "it is over after 30 seconds");
}

#[tokio::test]
async fn calls_above_the_rate_are_refused_and_counted() {
    let (hub, _shared, _left) = hub();
    let hub = hub.configure(|options| options.invocation_rate = Some(crate::Rate::per_second(1).with_burst(2))).build();
    let mut client = Client::shaken(&hub).await;
    for outcome in [
        "\"result\":\"a\"",
        "\"result\":\"a\"",
        "\"error\":\"Failed to invoke 'Echo' due to an error on the server. HubException: Too many calls.\"",
    ] {
        client.call("1", "Echo", &json!(["a"]));
        client.completes("1", outcome).await;
    }
    assert_eq!(hub.refused_calls().invocations, 1);
}

#[tokio::test]
async fn ten_thousand_streams_are_refused_beyond_the_limit_and_all_end() {
    let (hub, _shared, _left) = hub();
    let hub = hub
        .stream("Forever", async || Ok(futures_util::stream::pending::<Result<u32, HubError>>()))
        .configure(|options| options.maximum_streams_per_client = 100)
        .build();
    let mut client = Client::shaken(&hub).await;
    for id in 0..10_000 {
        client.say(&json!({"type": 4, "invocationId": id.to_string(), "target": "Forever", "arguments": []}));
        if id >= 100 {
            let error =
                "An unexpected error occurred invoking 'Forever' on the server. HubException: Too many streams.";
            client.completes(&id.to_string(), &format!("\"error\":\"{error}\"")).await;
        }
    }
    assert_eq!(hub.refused_calls().streams, 9_900);
    client.say(&json!({"type": 5, "invocationId": "7"}));
    assert_eq!(client.next().await, "{\"type\":3,\"invocationId\":\"7\"}");
    client.say(&json!({"type": 4, "invocationId": "again", "target": "Forever", "arguments": []}));
    client.call("1", "Echo", &json!(["hi"]));
    client.completes("1", "\"result\":\"hi\"").await;
    client.say(&json!({"type": 7}));
    assert_eq!(client.next().await, "{\"type\":7}");
    client.ends().await;
}

#[tokio::test]
async fn arguments_nested_a_thousand_deep_end_their_connection_alone() {
    let (hub, _shared, _left) = hub();
    let hub = hub.build();
    let (mut bad, mut good) = (Client::shaken(&hub).await, Client::shaken(&hub).await);
    let nested = "[".repeat(1000) + &"]".repeat(1000);
    let call = "{\"type\":1,\"invocationId\":\"1\",\"target\":\"Echo\",\"arguments\":[";
    bad.peer.send(format!("{call}{nested}]}}\u{1e}"));
    let closed = "{\"type\":7,\"error\":\"Connection closed with an error.\",\"allowReconnect\":true}";
    assert_eq!(bad.next().await, closed);
    bad.ends().await;
    good.call("1", "Echo", &json!(["hi"]));
    good.completes("1", "\"result\":\"hi\"").await;
}
