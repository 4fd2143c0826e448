//! An endpoint inside an axum program, beside the same endpoint in a `Server`.

#![cfg(feature = "tower")]
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{ConnectInfo, Request};
use axum::middleware::map_request;
use signalhub_connections::*;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};

/// Ends every connection at once, and reports where it came from.
struct Visitors(mpsc::Sender<Option<RemoteAddress>>);

impl ConnectionHandler for Visitors {
    fn handle(self: Arc<Self>, connection: Connection) -> BoxFuture<()> {
        Box::pin(async move {
            let _ = self.0.try_send(connection.remote_address());
            connection.close(CloseReason::Finished).await;
        })
    }
}

fn endpoint() -> (Endpoint, mpsc::Receiver<Option<RemoteAddress>>) {
    let (sender, visitors) = mpsc::channel(16);
    (Endpoint::new(Visitors(sender)).transports(Transports::ALL), visitors)
}

/// Notes where a request comes from, as programs do that mount an endpoint.
async fn note_address(ConnectInfo(peer): ConnectInfo<SocketAddr>, mut request: Request) -> Request {
    request.extensions_mut().insert(RemoteAddress::new(peer.ip()));
    request
}

async fn serve(router: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = router.layer(map_request(note_address)).into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

async fn serve_alone(endpoint: Endpoint) -> SocketAddr {
    let server = Server::bind("127.0.0.1:0").await.unwrap().endpoint("/hub", endpoint);
    let address = server.local_addr().unwrap();
    tokio::spawn(server.run_until(std::future::pending()));
    address
}

async fn ask(address: SocketAddr, line: &str, headers: &str) -> crate::support::Answer {
    let mut socket = TcpStream::connect(address).await.unwrap();
    let request = format!("{line} HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 0\r\n{headers}\r\n");
    socket.write_all(request.as_bytes()).await.unwrap();
    crate::support::answer(&mut socket).await
}

#[tokio::test]
async fn paths_match_as_in_a_server() {
    let server = serve_alone(endpoint().0).await;
    let nested = serve(Router::new().nest_service("/hub", TowerEndpoint::new(endpoint().0))).await;
    let whole = serve(Router::new().fallback_service(TowerEndpoint::new(endpoint().0).at("/hub"))).await;
    // The second status is that of the nested service where axum decides: its router compares the prefix as it is written,
    // and joins the slashes that follow it.
    for (line, status, nested_status) in [
        ("POST /hub/negotiate", 200, None),
        ("POST /hub/negotiate/", 200, None),
        ("POST /hub/negotiate//", 404, None),
        ("POST /hub//negotiate", 404, Some(200)),
        ("POST /hub/NEGOTIATE?negotiateVersion=1", 200, None),
        ("POST /hub/%6eegotiate", 200, None),
        ("POST /hub/%2fnegotiate", 404, None),
        ("POST /hub%2fnegotiate", 404, None),
        ("POST /hub/x/../%2e/negotiate", 200, None),
        ("POST /hub/../negotiate", 404, None),
        ("POST /hub/%2e%2e/negotiate", 404, None),
        ("POST /hub/x/../../negotiate", 404, None),
        ("POST /hub/negotiate%00", 400, None),
        ("POST /hub/negotiate/more", 404, None),
        ("POST /hubs/negotiate", 404, None),
        ("POST /negotiate", 404, None),
        ("POST /", 404, None),
        ("GET /hub", 400, None),
        ("GET /hub/", 400, None),
        ("GET /hub//", 404, Some(400)),
        ("GET /hub?id=unknown", 404, None),
        ("GET /hub/other", 404, None),
        ("PUT /hub", 405, None),
        ("POST /HUB/negotiate", 200, Some(404)),
        ("POST /%68ub/negotiate", 200, Some(404)),
        ("POST /x/../hub/negotiate", 200, Some(404)),
        ("POST /hub/../hub/negotiate", 200, Some(404)),
    ] {
        assert_eq!(ask(server, line, "").await.status, status, "{line} in a server");
        assert_eq!(ask(whole, line, "").await.status, status, "{line} with its path");
        assert_eq!(ask(nested, line, "").await.status, nested_status.unwrap_or(status), "{line} nested");
    }
}

#[tokio::test]
async fn a_trusted_proxy_tells_where_a_client_is() {
    let forwarded = "X-Forwarded-For: 192.0.2.9, 203.0.113.7\r\n";
    for (trusted, headers, expected) in [
        (Some("127.0.0.1"), forwarded, "203.0.113.7"),
        (Some("127.0.0.1"), "", "127.0.0.1"),
        (Some("10.0.0.0/8"), forwarded, "127.0.0.1"),
        (None, forwarded, "127.0.0.1"),
    ] {
        let proxies = trusted.map_or(TrustedProxies::none(), |proxy| TrustedProxies::none().trust(proxy).unwrap());
        let (endpoint, mut visitors) = endpoint();
        let service = TowerEndpoint::new(endpoint).trusted_proxies(proxies);
        let address = serve(Router::new().nest_service("/hub", service)).await;
        let negotiated = ask(address, "POST /hub/negotiate?negotiateVersion=1", headers).await;
        let body: serde_json::Value = serde_json::from_str(&negotiated.body).unwrap();
        let poll = format!("GET /hub?id={}", body["connectionToken"].as_str().unwrap());
        assert_eq!(ask(address, &poll, headers).await.status, 200);
        let found = visitors.recv().await.unwrap().unwrap().to_string();
        assert_eq!(found, expected, "{trusted:?} with {headers:?}");
    }
}

#[tokio::test]
async fn limits_per_address_count_the_clients_of_a_trusted_proxy() {
    let limits = Limits::default().pending_negotiations_per_address(1);
    let proxies = TrustedProxies::none().trust("127.0.0.1").unwrap();
    let service = TowerEndpoint::new(endpoint().0).trusted_proxies(proxies).limits(limits);
    let address = serve(Router::new().nest_service("/hub", service)).await;
    for (client, status) in [("203.0.113.7", 200), ("203.0.113.7", 429), ("203.0.113.8", 200)] {
        let headers = format!("X-Forwarded-For: {client}\r\n");
        assert_eq!(ask(address, "POST /hub/negotiate", &headers).await.status, status, "{client}");
    }
}

#[tokio::test]
async fn event_streams_of_a_server_that_stops_end_without_their_last_chunk() {
    let endpoint = || Endpoint::new(crate::support::SendsAtDrain(b"last".to_vec())).transports(Transports::ALL);
    let service = TowerEndpoint::new(endpoint());
    let inside = serve(Router::new().nest_service("/hub", service.clone())).await;
    let server = Server::bind("127.0.0.1:0").await.unwrap().endpoint("/hub", endpoint());
    let (stop, stopping) = oneshot::channel::<()>();
    let alone = server.local_addr().unwrap();
    tokio::spawn(server.run_until(async { drop(stopping.await) }));
    let mut sockets = Vec::new();
    for address in [inside, alone] {
        let negotiated = ask(address, "POST /hub/negotiate?negotiateVersion=1", "").await;
        let body: serde_json::Value = serde_json::from_str(&negotiated.body).unwrap();
        let id = body["connectionToken"].as_str().unwrap();
        let mut socket = TcpStream::connect(address).await.unwrap();
        let request = format!("GET /hub?id={id} HTTP/1.1\r\nHost: h\r\nAccept: text/event-stream\r\n\r\n");
        socket.write_all(request.as_bytes()).await.unwrap();
        assert_eq!(crate::support::answer(&mut socket).await.status, 200);
        sockets.push(socket);
    }
    drop(stop);
    service.drain(Duration::ZERO).await;
    for (socket, server) in sockets.iter_mut().zip(["inside axum", "alone"]) {
        let rest = crate::support::closed(socket).await;
        assert_eq!(rest, "3\r\n:\r\n\r\nE\r\ndata: last\r\n\r\n\r\n", "{server}");
    }
}
