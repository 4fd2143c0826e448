//! The request that opened a connection, as handlers read it: over every transport, behind `Server` and as a tower service.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use signalhub_connections::*;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::mpsc;

/// What a handler found in a connection.
struct Seen {
    request: OpeningRequest,
    kind: TransportKind,
    remote: Option<RemoteAddress>,
}

/// Reports what it finds, and again when another WebSocket has taken over.
struct Reader {
    keeps: bool,
    seen: mpsc::Sender<Seen>,
}

impl Reader {
    fn tell(&self, connection: &Connection) {
        let (request, kind) = (connection.opening_request().clone(), connection.transport_kind());
        let _ = self.seen.try_send(Seen { request, kind, remote: connection.remote_address() });
    }
}

impl ConnectionHandler for Reader {
    fn handle(self: Arc<Self>, mut connection: Connection) -> BoxFuture<()> {
        Box::pin(async move {
            self.tell(&connection);
            loop {
                match connection.receive(Intake::Open).await {
                    Received::Reconnected => self.tell(&connection),
                    Received::Ended(reason) => return connection.close(reason).await,
                    _ => {}
                }
            }
        })
    }

    fn keeps_opening_request(&self) -> bool {
        self.keeps
    }
}

fn reader(keeps: bool) -> (Endpoint, mpsc::Receiver<Seen>) {
    let (seen, receiver) = mpsc::channel(16);
    let endpoint = Endpoint::new(Reader { keeps, seen }).transports(Transports::ALL).allow_stateful_reconnects();
    (endpoint, receiver)
}

async fn behind_server(endpoint: Endpoint) -> SocketAddr {
    let server = Server::bind("127.0.0.1:0").await.unwrap().endpoint("/hub", endpoint);
    let address = server.local_addr().unwrap();
    tokio::spawn(server.run_until(std::future::pending()));
    address
}

/// Serves the endpoint in hyper, which gives it the whole path: there is no prefix.
#[cfg(feature = "tower")]
async fn behind_hyper(endpoint: Endpoint) -> SocketAddr {
    use hyper_util::rt::TokioIo;
    use tower_service::Service;

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, mounted) = (listener.local_addr().unwrap(), TowerEndpoint::new(endpoint));
    tokio::spawn(async move {
        while let Ok((socket, peer)) = listener.accept().await {
            let mounted = mounted.clone();
            let service = hyper::service::service_fn(move |mut request: HttpRequest<hyper::body::Incoming>| {
                request.extensions_mut().insert(RemoteAddress::new(peer.ip()));
                mounted.clone().call(request)
            });
            let connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(socket), service);
            tokio::spawn(connection.with_upgrades());
        }
    });
    address
}

async fn negotiate(address: SocketAddr, path: &str, query: &str) -> String {
    let mut socket = TcpStream::connect(address).await.unwrap();
    let target = format!("{}/negotiate?negotiateVersion=1&{query}", path.trim_end_matches('/'));
    let request = format!("POST {target} HTTP/1.1\r\nHost: h\r\nX-Tag: negotiate\r\nContent-Length: 0\r\n\r\n");
    socket.write_all(request.as_bytes()).await.unwrap();
    let body: serde_json::Value = serde_json::from_str(&crate::support::answer(&mut socket).await.body).unwrap();
    body["connectionToken"].as_str().unwrap().to_owned()
}

fn headers(kind: TransportKind) -> &'static str {
    match kind {
        TransportKind::WebSockets => {
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
            Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
        }
        TransportKind::ServerSentEvents => "Accept: text/event-stream\r\n",
        TransportKind::LongPolling => "",
    }
}

/// Attaches a transport to a negotiated connection, with a tag by which its request is known.
async fn attach(address: SocketAddr, path: &str, token: &str, kind: TransportKind, tag: &str) -> TcpStream {
    let mut socket = TcpStream::connect(address).await.unwrap();
    let request = format!(
        "GET {path}?id={token}&room=a%20b HTTP/1.1\r\nHost: h\r\nX-Tag: {tag}\r\nCookie: session=s-{tag}\r\n{}\r\n",
        headers(kind)
    );
    socket.write_all(request.as_bytes()).await.unwrap();
    let status = if kind == TransportKind::WebSockets { 101 } else { 200 };
    assert_eq!(crate::support::answer(&mut socket).await.status, status, "{kind:?}");
    socket
}

fn assert_tag(request: &OpeningRequest, tag: &str) {
    assert_eq!(request.header("x-tag"), Some(tag));
    assert_eq!(request.cookie("session"), Some(&*format!("s-{tag}")));
    assert_eq!(request.query_value("room").as_deref(), Some("a b"));
}

/// Opens a connection over each transport and compares what its handler sees.
async fn check(address: SocketAddr, path: &str, seen: &mut mpsc::Receiver<Seen>) {
    for kind in Transports::ALL.offered() {
        let token = negotiate(address, path, "").await;
        let _socket = attach(address, path, &token, kind, "first").await;
        let found = seen.recv().await.unwrap();
        assert_tag(&found.request, "first");
        assert_eq!((found.request.path(), found.kind), (path, kind));
        assert_eq!(found.remote.map(RemoteAddress::ip), Some(Ipv4Addr::LOCALHOST.into()));
    }
    // A WebSocket without negotiation has a request, too.
    let mut socket = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: h\r\n{}\r\n", headers(TransportKind::WebSockets));
    socket.write_all(request.as_bytes()).await.unwrap();
    let found = seen.recv().await.unwrap().request;
    assert_eq!((found.path(), found.query(), found.header("upgrade")), (path, None, Some("websocket")));
}

#[tokio::test]
async fn every_transport_gives_the_request_that_attached_it() {
    let (endpoint, mut seen) = reader(true);
    check(behind_server(endpoint).await, "/hub", &mut seen).await;
}

#[cfg(feature = "tower")]
#[tokio::test]
async fn every_transport_gives_its_request_behind_tower() {
    let (endpoint, mut seen) = reader(true);
    check(behind_hyper(endpoint).await, "/", &mut seen).await;
}

#[tokio::test]
async fn a_resumed_connection_keeps_its_first_request() {
    let (endpoint, mut seen) = reader(true);
    let address = behind_server(endpoint).await;
    let token = negotiate(address, "/hub", "useStatefulReconnect=true").await;
    let mut sockets = Vec::new();
    for tag in ["first", "second"] {
        sockets.push(attach(address, "/hub", &token, TransportKind::WebSockets, tag).await);
        assert_tag(&seen.recv().await.unwrap().request, "first");
    }
}

#[tokio::test]
async fn a_handler_that_does_not_ask_for_the_request_gets_an_empty_one() {
    let (endpoint, mut seen) = reader(false);
    let address = behind_server(endpoint).await;
    for kind in Transports::ALL.offered() {
        let token = negotiate(address, "/hub", "").await;
        let _socket = attach(address, "/hub", &token, kind, "first").await;
        assert_eq!(seen.recv().await.unwrap().request, OpeningRequest::default(), "{kind:?}");
    }
}

#[tokio::test]
async fn a_pair_can_be_given_a_request() {
    let (connection, _peer) = Connection::pair(Identity::anonymous());
    assert_eq!(connection.opening_request(), &OpeningRequest::default());
    let head = HttpRequest::get("/hub?tenant=x").body(()).unwrap().into_parts().0;
    let connection = connection.with_opening_request(OpeningRequest::new(&head));
    assert_eq!(connection.opening_request().query_value("tenant").as_deref(), Some("x"));
}
