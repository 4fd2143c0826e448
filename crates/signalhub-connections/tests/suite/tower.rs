//! An endpoint inside another HTTP server.

#![cfg(feature = "tower")]
use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::support::{Log, Named, listen};
use futures_util::{SinkExt, StreamExt};
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use signalhub_connections::*;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};
use tower_service::Service;
use tracing::Level;

struct Echo;

impl ConnectionHandler for Echo {
    fn handle(self: Arc<Self>, mut connection: Connection) -> BoxFuture<()> {
        Box::pin(async move {
            let reason = loop {
                match connection.receive(Intake::Open).await {
                    Received::Bytes => {
                        let _ = connection.outbound().send(&Frame::new(MessageKind::Text, connection.input()));
                        connection.consume(connection.input().len());
                    }
                    Received::Ended(reason) => break reason,
                    Received::Drain => break CloseReason::ServerShutdown,
                    _ => {}
                }
            };
            connection.close(reason).await;
        })
    }
}

fn echo() -> TowerEndpoint {
    TowerEndpoint::new(Endpoint::new(Echo).transports(Transports::WEB_SOCKETS.and(TransportKind::LongPolling)))
}

async fn call(service: &mut TowerEndpoint, method: &str, path: &str) -> (StatusCode, String) {
    let request = Request::builder().method(method).uri(path).body(Full::<bytes::Bytes>::default()).unwrap();
    let response = service.call(request).await.unwrap();
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

/// Authenticates each client that sends a bearer token.
struct Bearers;

impl Authenticate for Bearers {
    fn authenticate(&self, request: &RequestHead) -> Authentication {
        bearer_token(request).map_or(Authentication::Missing, |token| Authentication::Identified(Identity::user(token)))
    }
}

#[tokio::test]
async fn clients_get_tickets_only_for_a_public_url_that_is_set() {
    let public = Tickets::for_browsers().public_url("https://a.example/hub").unwrap();
    let whole = Tickets::for_browsers().public_url("https://a.example").unwrap();
    for (tickets, at, target, expected) in [
        (public, None, "/negotiate?shop=7", Some("https://a.example/hub?shop=7")),
        (whole, Some("/hub"), "/hub/negotiate", Some("https://a.example/hub")),
        (Tickets::for_browsers(), Some("/hub"), "/hub/negotiate", None),
    ] {
        let (log, _guard) = Log::start();
        let service = TowerEndpoint::new(Endpoint::new(Echo).authenticate(Bearers).tickets(tickets));
        let mut service = at.into_iter().fold(service, TowerEndpoint::at);
        let warned = log.take().iter().any(|(_, line)| line.contains("Tickets::public_url"));
        assert_eq!(warned, expected.is_none(), "{target}");
        let request = Request::post(target).header("origin", "https://a.example").header("host", "a.example");
        let request = request.header("authorization", "Bearer ann").body(Full::<bytes::Bytes>::default()).unwrap();
        let body = service.call(request).await.unwrap().into_body().collect().await.unwrap().to_bytes();
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body.get("url").and_then(|url| url.as_str()), expected, "{target}");
    }
}

#[tokio::test]
async fn a_connection_is_unknown_to_all_but_its_owner() {
    let mut service = TowerEndpoint::new(Endpoint::new(Echo).transports(Transports::ALL).identify(Named));
    let mut ask = async |method: &str, path: &str, user: &str, accept: &str| {
        let request = Request::builder().method(method).uri(path).header("user", user).header("accept", accept);
        let request = request.body(Full::<bytes::Bytes>::default()).unwrap();
        service.call(request).await.unwrap()
    };
    let answer = ask("POST", "/negotiate?negotiateVersion=1", "ann", "*/*").await;
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
    let path = format!("/?id={}", body["connectionToken"].as_str().unwrap());
    for attached in [false, true] {
        for method in ["GET", "POST", "DELETE"] {
            assert_eq!(ask(method, &path, "eve", "*/*").await.status(), 404, "{method}, attached: {attached}");
        }
        assert_eq!(ask("GET", &path, "eve", "text/event-stream").await.status(), 404, "attached: {attached}");
        assert_eq!(ask("POST", &path, "ann", "*/*").await.status(), 200, "attached: {attached}");
        if !attached {
            assert_eq!(ask("GET", &path, "ann", "*/*").await.status(), 200);
        }
    }
    assert_eq!(ask("DELETE", &path, "ann", "*/*").await.status(), 202);
}

#[tokio::test]
async fn paths_come_without_the_prefix() {
    let mut service = echo();
    for (method, path, status) in [
        ("POST", "/negotiate?negotiateVersion=1", 200),
        ("POST", "/negotiate/", 200),
        ("POST", "/%6eegotiate", 200),
        ("POST", "/x/../%2e/negotiate", 200),
        ("POST", "/negotiate%00", 400),
        ("POST", "/%2fnegotiate", 404),
        ("GET", "/", 400),
        ("GET", "/?id=unknown", 404),
        ("PUT", "/", 405),
        ("GET", "/other", 404),
        ("GET", "/hub/negotiate", 404),
    ] {
        assert_eq!(call(&mut service, method, path).await.0, status, "{method} {path}");
    }
}

#[tokio::test]
async fn clones_share_their_connections_and_their_limits() {
    let mut first = echo().limits(Limits::default().pending_negotiations(2));
    let mut second = first.clone();
    let (_, body) = call(&mut first, "POST", "/negotiate").await;
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    let poll = format!("/?id={}", body["connectionId"].as_str().unwrap());
    assert_eq!(call(&mut second, "GET", &poll).await, (StatusCode::OK, String::new()));
    assert_eq!(first.connections().active(), 1);
    for expected in [200, 200, 503] {
        assert_eq!(call(&mut second, "POST", "/negotiate").await.0, expected);
    }
    assert_eq!(call(&mut first, "DELETE", &poll).await.0, StatusCode::ACCEPTED);
    first.connections().emptied().await;
}

#[tokio::test]
async fn web_sockets_work_inside_hyper_and_drain() {
    let service = echo();
    let (listener, address) = listen().await;
    let mounted = service.clone();
    let accepting = tokio::spawn(async move {
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            let mounted = mounted.clone();
            let service = hyper::service::service_fn(move |request| mounted.clone().call(request));
            let connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(socket), service);
            tokio::spawn(connection.with_upgrades());
        }
    });
    let (mut client, _) = connect_async(format!("ws://{address}/")).await.unwrap();
    client.send(Message::text("hello")).await.unwrap();
    assert_eq!(client.next().await.unwrap().unwrap(), Message::text("hello"));
    assert_eq!(service.connections().active(), 1);
    let draining = tokio::spawn({
        let service = service.clone();
        async move { service.drain(Duration::ZERO).await }
    });
    let end = client.next().await.unwrap();
    assert!(matches!(&end, Err(Error::Io(error)) if error.kind() == ErrorKind::ConnectionReset), "{end:?}");
    draining.await.unwrap();
    assert!(service.connections().is_draining());
    assert!(connect_async(format!("ws://{address}/")).await.is_err());
    accepting.abort();
}

#[tokio::test]
async fn a_web_socket_without_a_socket_to_reset_is_closed_with_1001_when_the_server_stops() {
    let service = echo();
    let (listener, address) = listen().await;
    let mounted = service.clone();
    tokio::spawn(async move {
        let (reader, writer) = listener.accept().await.unwrap().0.into_split();
        // Like a TLS stream, this is not a TCP socket for the endpoint.
        let io = TokioIo::new(tokio::io::join(reader, writer));
        let service = hyper::service::service_fn(move |request| mounted.clone().call(request));
        hyper::server::conn::http1::Builder::new().serve_connection(io, service).with_upgrades().await.unwrap();
    });
    let (mut client, _) = connect_async(format!("ws://{address}/")).await.unwrap();
    // The client answers the close frame when it is read again, and the server waits for that.
    let received = async { (client.next().await, client.next().await) };
    let ((end, after), ()) = tokio::join!(received, service.drain(Duration::ZERO));
    let Some(Ok(Message::Close(Some(frame)))) = end else { panic!("no close frame but {end:?}") };
    assert_eq!(frame.code, CloseCode::Away);
    assert!(after.is_none(), "{after:?}");
}

#[tokio::test]
async fn an_upgraded_socket_sends_small_messages_at_once() {
    for server in ["hyper", "hyper-util, as in axum"] {
        let (listener, address) = listen().await;
        let accepting = tokio::spawn(async move {
            let socket = listener.accept().await.unwrap().0.into_std().unwrap();
            let same = socket.try_clone().unwrap();
            assert!(!same.nodelay().unwrap(), "the program around has not set it");
            let io = TokioIo::new(tokio::net::TcpStream::from_std(socket).unwrap());
            let mounted = echo();
            let service = hyper::service::service_fn(move |request| mounted.clone().call(request));
            if server == "hyper" {
                let connection = hyper::server::conn::http1::Builder::new().serve_connection(io, service);
                tokio::spawn(connection.with_upgrades());
            } else {
                tokio::spawn(async move {
                    auto::Builder::new(TokioExecutor::new()).serve_connection_with_upgrades(io, service).await.unwrap();
                });
            }
            same
        });
        let (mut client, _) = connect_async(format!("ws://{address}/")).await.unwrap();
        client.send(Message::text("hello")).await.unwrap();
        assert_eq!(client.next().await.unwrap().unwrap(), Message::text("hello"), "{server}");
        assert!(accepting.await.unwrap().nodelay().unwrap(), "{server}");
    }
}

#[tokio::test]
async fn a_panic_in_the_code_of_an_application_is_answered_with_500() {
    struct Fragile;

    impl Authenticate for Fragile {
        fn authenticate(&self, request: &RequestHead) -> Authentication {
            assert!(!request.uri.path().contains("negotiate"), "secret");
            Authentication::Missing
        }
    }

    let mut service = TowerEndpoint::new(Endpoint::new(Echo).identify(Fragile));
    assert_eq!(call(&mut service, "POST", "/negotiate").await, (StatusCode::INTERNAL_SERVER_ERROR, String::new()));
    assert_eq!(call(&mut service, "GET", "/?id=unknown").await.0, StatusCode::NOT_FOUND);
}

#[tokio::test(start_paused = true)]
async fn headers_that_may_not_be_added_cause_one_warning_a_second() {
    let endpoint = Endpoint::new(Echo).response_headers(|_, headers| {
        headers.insert("content-type", HeaderValue::from_static("7"));
        headers.insert("date", HeaderValue::from_static("7"));
    });
    let mut service = TowerEndpoint::new(endpoint);
    let (log, _guard) = Log::start();
    for (gone, level) in [(0, Level::WARN), (0, Level::DEBUG), (999, Level::DEBUG), (1, Level::WARN), (0, Level::DEBUG)]
    {
        tokio::time::advance(Duration::from_millis(gone)).await;
        call(&mut service, "POST", "/negotiate").await;
        let mut lines = log.take();
        lines.retain(|(_, text)| text.contains("headers were not added"));
        let [(logged, text)] = &lines[..] else { panic!("{lines:?}") };
        assert!(*logged == level && text.contains("content-type, date"), "{logged} {text}");
    }
}

#[tokio::test]
async fn the_refresh_route_is_served_where_the_endpoint_has_it() {
    let endpoint = || Endpoint::new(Echo).transports(Transports::ALL).identify(Named);
    let mut plain = TowerEndpoint::new(endpoint());
    assert_eq!(call(&mut plain, "POST", "/refresh?id=a").await.0, 404);
    let mut service = TowerEndpoint::new(endpoint().refresh_route());
    let mut ask = async |method: &str, path: &str, user: &str| {
        let request = Request::builder().method(method).uri(path).header("user", user);
        let response = service.call(request.body(Full::<bytes::Bytes>::default()).unwrap()).await.unwrap();
        let status = response.status();
        (status, response.into_body().collect().await.unwrap().to_bytes())
    };
    let (_, body) = ask("POST", "/negotiate?negotiateVersion=1", "ann").await;
    let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
    let id = body["connectionToken"].as_str().unwrap();
    assert_eq!(ask("GET", &format!("/?id={id}"), "ann").await.0, 200);
    assert_eq!(ask("POST", &format!("/refresh?id={id}"), "ann").await.0, 200);
    assert_eq!(ask("POST", &format!("/refresh?id={id}"), "eve").await.0, 403);
}

#[tokio::test]
async fn refused_credentials_are_checked_again_when_they_may_be_accepted() {
    struct Late(Arc<AtomicBool>);

    impl Authenticate for Late {
        fn authenticate(&self, _: &RequestHead) -> Authentication {
            match self.0.load(Ordering::Relaxed) {
                true => Authentication::Identified(Identity::user("ann")),
                false => Authentication::Invalid("the key is not known".into()),
            }
        }

        fn ready(&self, _: &RequestHead) -> Option<BoxFuture<()>> {
            let has_key = Arc::clone(&self.0);
            Some(Box::pin(async move { has_key.store(true, Ordering::Relaxed) }))
        }
    }

    let mut service = TowerEndpoint::new(Endpoint::new(Echo).authenticate(Late(Arc::default())));
    assert_eq!(call(&mut service, "POST", "/negotiate").await.0, StatusCode::OK);
}
