//! The request that opened a connection, as methods, hooks, extractors and filters read it.

use std::sync::Arc;

use crate::support::{Client, Shared, failed, invoking, result};
use serde_json::json;
use signalhub::connections::{ConnectionHandler, OpeningRequest, Reconnect};
use signalhub::events::Broker;
use signalhub::portos::broker::catalogue;
use signalhub::protocol::Protocol;
use signalhub::{
    Call, Caller, Connection, Extract, Hub, HubBuilder, HubError, HubFilter, Identity, Next, Reply, Request,
    TransportKind,
};

fn opening_request() -> OpeningRequest {
    let request = axum::http::Request::get("/chat?room=a%20b&id=secret")
        .header("X-Tenant", "acme")
        .header("Cookie", "theme=dark; lang=en");
    OpeningRequest::new(&request.body(()).expect("a request").into_parts().0)
}

/// Connects as the endpoint of a hub does that keeps requests if the hub asks for it.
async fn connect(hub: &Hub, protocol: Protocol) -> Client {
    let (connection, peer) = Connection::pair(Identity::user("ann"));
    let hub = Arc::new(hub.clone());
    let connection = match hub.keeps_opening_request() {
        true => connection.with_opening_request(opening_request()),
        false => connection,
    };
    Client::over(hub, connection, peer).shake_hands(protocol).await
}

/// The tenant that the client names in a header.
struct Tenant(String);

impl<S> Extract<S> for Tenant {
    fn extract(call: &Call, _: &S) -> Result<Self, HubError> {
        let tenant = call.request().and_then(|request| request.header("x-tenant")).map(str::to_owned);
        tenant.map(Self).ok_or_else(|| HubError::new("no tenant"))
    }
}

#[tokio::test(start_paused = true)]
async fn a_method_reads_the_request_and_what_was_negotiated() {
    let read = async |request: Request, caller: Caller| {
        assert_eq!(request.transport(), TransportKind::LongPolling, "which a pair counts as");
        assert_eq!((request.reconnect(), request.remote_address()), (Reconnect::Plain, None));
        assert_eq!(caller.request().map(|request| request.path()), Some("/chat"));
        let (room, language) = (request.query_value("room"), request.cookie("lang").map(str::to_owned));
        Ok((request.path().to_owned(), room, language, request.protocol().name().to_owned()))
    };
    let hub = Hub::builder().method("Read", read).method("Tenant", async |Tenant(tenant): Tenant| Ok(tenant)).build();
    for protocol in Protocol::ALL {
        let mut client = connect(&hub, protocol).await;
        client.call("1", "Read", &json!([]));
        client.receives([result("1", &json!(["/chat", "a b", "en", protocol.name()]))]).await;
        client.call("2", "Tenant", &json!([]));
        client.receives([result("2", &json!("acme"))]).await;
    }
}

#[tokio::test(start_paused = true)]
async fn hooks_and_filters_read_the_request() {
    struct Reads(Shared);
    impl Reads {
        fn record(&self, what: &str, call: &Call) {
            let room = call.request().and_then(|request| request.query_value("room"));
            self.0.record(format!("{what} {room:?}"));
        }
    }
    impl HubFilter for Reads {
        async fn connected(&self, call: &Call, next: Next<'_, ()>) -> Result<(), HubError> {
            self.record("connected", call);
            next.run().await
        }

        async fn disconnected(&self, call: &Call, next: Next<'_, ()>) -> Result<(), HubError> {
            self.record("disconnected", call);
            next.run().await
        }

        async fn invoke(&self, call: &Call, next: Next<'_, Reply>) -> Result<Reply, HubError> {
            self.record("invoke", call);
            next.run().await
        }
    }
    let (shared, mut events) = Shared::new();
    let (connected, disconnected) = (shared.clone(), shared.clone());
    let hub = Hub::builder()
        .filter(Reads(shared))
        .on_connected(async move |Tenant(tenant): Tenant| {
            connected.record(tenant);
            Ok(())
        })
        .on_disconnected(async move |request: Request| {
            disconnected.record(request.path());
            Ok(())
        })
        .method("Nothing", async || Ok(()))
        .build();
    let mut client = connect(&hub, Protocol::Json).await;
    client.call("1", "Nothing", &json!([]));
    client.receives([result("1", &json!(null))]).await;
    client.vanish();
    client.ends().await;
    for event in ["connected Some(\"a b\")", "acme", "invoke Some(\"a b\")", "disconnected Some(\"a b\")", "/chat"] {
        assert_eq!(events.next().await, event);
    }
}

#[tokio::test(start_paused = true)]
async fn a_hub_without_requests_fails_the_calls_that_need_one() {
    let hub = Hub::builder()
        .method("Read", async |request: Request| Ok(request.path().to_owned()))
        .method("Try", async |caller: Caller| Ok(caller.request().is_some()))
        .without_requests()
        .build();
    let mut client = connect(&hub, Protocol::Json).await;
    client.call("1", "Read", &json!([]));
    client.receives([failed("1", &invoking("Read", ""))]).await;
    client.call("2", "Try", &json!([]));
    client.receives([result("2", &json!(false))]).await;
}

/// Without code that could read them, the memory of requests is saved.
#[test]
fn only_hubs_with_code_of_their_own_keep_requests() {
    struct Nothing;
    impl HubFilter for Nothing {}
    type Build = fn(HubBuilder<()>) -> HubBuilder<()>;
    let rows: [(&str, Build, bool); 9] = [
        ("nothing", |hub| hub, false),
        ("events", |hub| hub.events(Broker::builder(catalogue()).build()), false),
        ("method", |hub| hub.method("A", async || Ok(())), true),
        ("stream", |hub| hub.stream("A", async || Ok(futures_util::stream::iter([Ok(1)]))), true),
        ("on_connected", |hub| hub.on_connected(async || Ok(())), true),
        ("on_disconnected", |hub| hub.on_disconnected(async || Ok(())), true),
        ("filter", |hub| hub.filter(Nothing), true),
        ("without, before", |hub| hub.without_requests().method("A", async || Ok(())), false),
        ("without, after", |hub| hub.method("A", async || Ok(())).without_requests(), false),
    ];
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _guard = runtime.enter();
    for (name, build, keeps) in rows {
        assert_eq!(build(Hub::builder()).build().keeps_opening_request(), keeps, "{name}");
    }
}
