//! Servers that are nodes of one cluster, over real sockets: any node answers any request.

mod faults;
mod hostile;
mod node_requests;
mod store;
mod tickets;
mod tls;
mod transports;

use std::sync::Arc;

use crate::support::*;
use signalhub_connections::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use self::store::{Shared, Store};

/// A node of a cluster in this process, with an echo at `/echo`.
struct ClusterNode {
    running: Running,
    name: NodeName,
    /// Where it accepts the requests of other nodes.
    address: String,
    counts: ClusterCounts,
    requests: NodeRequests,
    store: Arc<Store>,
}

/// How a node of a test differs from the others.
struct Options {
    secrets: Vec<[u8; 32]>,
    limits: Limits,
    endpoint: fn(Endpoint) -> Endpoint,
    server: fn(Server) -> Server,
    cluster: Box<dyn FnOnce(Cluster) -> Cluster>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            secrets: vec![[7; 32]],
            limits: Limits::default().descriptor_headroom(0),
            endpoint: |endpoint| endpoint.identify(Named).allow_stateful_reconnects(),
            server: |server| server,
            cluster: Box::new(|cluster| cluster),
        }
    }
}

impl ClusterNode {
    /// Starts a node, and adds it to those that are present.
    async fn start(shared: &Arc<Shared>, name: &str, options: Options) -> Self {
        let Options { secrets, limits, endpoint, server, cluster: configure } = options;
        let name = NodeName::new(name).unwrap();
        let store = Arc::new(Store::new(shared, &name));
        let secrets = ClusterSecrets::new(secrets).unwrap();
        let cluster = Cluster::new(name.clone(), secrets, Arc::<Store>::clone(&store));
        let cluster = configure(cluster.listen("127.0.0.1:0").await.unwrap());
        let (address, counts) = (cluster.local_addr().unwrap().unwrap().to_string(), cluster.counts());
        shared.join(&name, &address);
        let mut requests = None;
        let running = start_with(endpoint, |bound| {
            requests = Some(bound.node_requests());
            server(bound.limits(limits).cluster(cluster))
        });
        let running = running.await;
        Self { running, name, address, counts, requests: requests.unwrap(), store }
    }

    /// Negotiates as `ann`, and returns the token of the connection.
    async fn negotiate(&self, query: &str) -> String {
        let line = format!("POST /echo/negotiate?negotiateVersion=1{query}");
        let answer = self.running.ask(&line, &[("user", "ann")]).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let body: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        body["connectionToken"].as_str().unwrap().to_owned()
    }

    /// Sends a request of `ann` for a connection.
    async fn ask(&self, method: &str, token: &str) -> Answer {
        self.running.ask(&format!("{method} /echo?id={token}"), &[("user", "ann")]).await
    }

    async fn post(&self, token: &str, body: &str) -> Answer {
        let length = body.len();
        let request =
            format!("POST /echo?id={token} HTTP/1.1\r\nHost: h\r\nuser: ann\r\nContent-Length: {length}\r\n\r\n{body}");
        answer(&mut self.running.open(request).await).await
    }

    /// Asks for a WebSocket as `ann`.
    async fn upgrade(&self, token: &str) -> (u16, TcpStream) {
        self.running.upgrade(&format!("/echo?id={token}"), "user: ann\r\n").await
    }

    /// Opens the event stream of a connection as `ann`, and reads its first event.
    async fn events(&self, token: &str) -> TcpStream {
        let request =
            format!("GET /echo?id={token} HTTP/1.1\r\nHost: h\r\nuser: ann\r\nAccept: text/event-stream\r\n\r\n");
        let mut socket = self.running.open(request).await;
        assert_eq!(answer(&mut socket).await.status, 200);
        assert_eq!(read_until(&mut socket, ":\r\n\r\n").await, "3\r\n:\r\n\r\n");
        socket
    }

    /// The forwards to other nodes, by kind.
    fn forwards(&self) -> Vec<(&'static str, u64)> {
        let counts = ForwardKind::ALL.map(|kind| (kind.label(), self.counts.forwards(kind)));
        counts.into_iter().filter(|(_, count)| *count > 0).collect()
    }
}

/// Starts two nodes, `a` and `b`.
async fn two_nodes() -> [ClusterNode; 2] {
    let shared = Arc::default();
    [
        ClusterNode::start(&shared, "a", Options::default()).await,
        ClusterNode::start(&shared, "b", Options::default()).await,
    ]
}

/// Reads until the bytes end with `end`.
async fn read_until(socket: &mut TcpStream, end: &str) -> String {
    let mut bytes = Vec::new();
    while !bytes.ends_with(end.as_bytes()) {
        bytes.push(socket.read_u8().await.unwrap());
    }
    String::from_utf8(bytes).unwrap()
}
