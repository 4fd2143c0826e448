//! Which requests a connection accepts: those of its owner, over real sockets.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::support::*;
use signalhub_connections::*;
use tokio::sync::mpsc;

/// Authenticates each client as the user that it names: `user[@organisation][;role[;seconds]]`.
struct Named;

impl Authenticate for Named {
    fn authenticate(&self, request: &RequestHead) -> Authentication {
        let Some(text) = request.headers.get("user").and_then(|name| name.to_str().ok()) else {
            return Authentication::Missing;
        };
        let mut parts = text.split(';');
        let mut identity = user_at_organisation(parts.next().unwrap());
        if let Some(role) = parts.next() {
            identity = identity.with_claim("role", role);
        }
        if let Some(seconds) = parts.next() {
            identity = identity.with_expiry(SystemTime::now() + Duration::from_secs(seconds.parse().unwrap()));
        }
        Authentication::Identified(identity)
    }
}

/// Reports what connections receive, and with which credentials.
struct Watched(mpsc::Sender<String>);

impl ConnectionHandler for Watched {
    fn handle(self: Arc<Self>, mut connection: Connection) -> BoxFuture<()> {
        Box::pin(async move {
            if connection.is_resumable() {
                connection.outbound().retain(1000);
            }
            let reason = loop {
                let received = connection.receive(Intake::Open).await;
                let role = connection.identity().claims.get::<String>("role").unwrap();
                let role = role.as_deref().unwrap_or("no role");
                match received {
                    Received::Bytes => {
                        let text = String::from_utf8_lossy(connection.input()).into_owned();
                        self.0.try_send(format!("{text} of {role}")).unwrap();
                        connection.consume(connection.input().len());
                    }
                    Received::Renewed => self.0.try_send(format!("renewed to {role}")).unwrap(),
                    Received::Reconnected => {
                        self.0.try_send(format!("back as {role}")).unwrap();
                        connection.outbound().resume(None);
                    }
                    Received::Expired => {
                        self.0.try_send("expired".to_owned()).unwrap();
                        break CloseReason::Finished;
                    }
                    Received::Ended(reason) => break reason,
                    _ => {}
                }
            };
            connection.close(reason).await;
        })
    }
}

/// As long as the credentials of 30 seconds last, and a little longer.
const LIFETIME: Duration = Duration::from_secs(31);

struct Stage {
    running: Running,
    reports: mpsc::Receiver<String>,
}

const OTHERS: [&str; 5] = ["eve@acme", "ann@other", "ann", "eve", ""];

async fn stage() -> Stage {
    let (sender, reports) = mpsc::channel(64);
    let endpoint = |sender| {
        Endpoint::new(Watched(sender))
            .identify(Named)
            .transports(Transports::ALL)
            .on_expired_credentials(ExpiredCredentials::Close)
            .allow_stateful_reconnects()
            .refresh_route()
            .disconnect_timeout(Duration::from_secs(120))
    };
    let other = endpoint(sender.clone());
    let plain = Endpoint::new(Watched(sender.clone())).identify(Named);
    let running = start_with(
        |endpoint| endpoint,
        |server| {
            let limits = Limits::default().descriptor_headroom(0);
            server.limits(limits).endpoint("/hub", endpoint(sender)).endpoint("/other", other).endpoint("/plain", plain)
        },
    );
    Stage { running: running.await, reports }
}

fn headers(user: &str) -> Vec<(&str, &str)> {
    if user.is_empty() { Vec::new() } else { vec![("user", user)] }
}

impl Stage {
    async fn negotiate(&self, user: &str) -> String {
        let line = "POST /hub/negotiate?negotiateVersion=1&useStatefulReconnect=true";
        let answer = self.running.ask(line, &headers(user)).await;
        let body: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        body["connectionToken"].as_str().unwrap().to_owned()
    }

    async fn ask(&self, method: &str, path: &str, user: &str) -> Answer {
        self.running.ask(&format!("{method} {path}"), &headers(user)).await
    }

    async fn post(&self, token: &str, user: &str, text: &str) -> u16 {
        let user = if user.is_empty() { String::new() } else { format!("user: {user}\r\n") };
        let length = text.len();
        let request =
            format!("POST /hub?id={token} HTTP/1.1\r\nHost: h\r\n{user}Content-Length: {length}\r\n\r\n{text}");
        answer(&mut self.running.open(request).await).await.status
    }

    async fn upgrade(&self, path: &str, user: &str) -> (u16, tokio::net::TcpStream) {
        let user = if user.is_empty() { String::new() } else { format!("user: {user}\r\n") };
        self.running.upgrade(path, &user).await
    }

    /// Checks how requests of another client are answered, on the path of the hub and on another one.
    async fn is_unknown_to_others(&self, token: &str, owner: &str) {
        let others = OTHERS.iter().filter(|other| **other != owner).map(|other| ("/hub", *other));
        for (path, other) in others.chain([("/other", owner)]) {
            let path = format!("{path}?id={token}");
            for method in ["GET", "DELETE", "POST"] {
                let answer = self.ask(method, &path, other).await;
                assert_eq!((answer.status, &*answer.body), (404, "No Connection with that ID"), "{method} {other}");
            }
            let events = [headers(other), vec![("Accept", "text/event-stream")]].concat();
            assert_eq!(self.running.ask(&format!("GET {path}"), &events).await.status, 404, "events of {other}");
            assert_eq!(self.upgrade(&path, other).await.0, 404, "upgrade of {other}");
        }
    }

    async fn reports(&mut self, expected: &str) {
        let report = tokio::time::timeout(Duration::from_secs(10), self.reports.recv()).await;
        assert_eq!(report.expect("it is reported in time").unwrap(), expected);
    }
}

#[tokio::test]
async fn a_connection_is_unknown_to_all_but_its_owner_on_every_transport() {
    for owner in ["ann@acme", "", "ann"] {
        let mut stage = stage().await;
        let token = stage.negotiate(owner).await;
        stage.is_unknown_to_others(&token, owner).await;
        let path = format!("/hub?id={token}");
        assert_eq!(stage.ask("GET", &path, owner).await.status, 200, "the first poll of '{owner}'");
        stage.is_unknown_to_others(&token, owner).await;
        assert_eq!(stage.post(&token, owner, "polled").await, 200);
        stage.reports("polled of no role").await;
        assert_eq!(stage.ask("DELETE", &path, owner).await.status, 202);

        let token = stage.negotiate(owner).await;
        let events = [headers(owner), vec![("Accept", "text/event-stream")]].concat();
        let lines: String = events.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let mut stream = stage.running.open(format!("GET /hub?id={token} HTTP/1.1\r\nHost: h\r\n{lines}\r\n")).await;
        assert_eq!(answer(&mut stream).await.status, 200);
        stage.is_unknown_to_others(&token, owner).await;
        assert_eq!(stage.post(&token, owner, "streamed").await, 200);
        stage.reports("streamed of no role").await;

        let token = stage.negotiate(owner).await;
        let (status, socket) = stage.upgrade(&format!("/hub?id={token}"), owner).await;
        assert_eq!(status, 101);
        stage.is_unknown_to_others(&token, owner).await;
        socket.set_zero_linger().unwrap();
        drop(socket);
        until(|| stage.running.counts.suspended() == 1).await;
        stage.is_unknown_to_others(&token, owner).await;
        let (status, _back) = stage.upgrade(&format!("/hub?id={token}"), owner).await;
        assert_eq!(status, 101);
        stage.reports("renewed to no role").await;
        stage.reports("back as no role").await;
        assert_eq!(stage.running.counts.given_up(), 0);
    }
}

#[tokio::test]
async fn requests_of_others_do_not_prolong_a_connection() {
    let mut stage = stage().await;
    let token = stage.negotiate("ann@acme").await;
    assert_eq!(stage.ask("GET", &format!("/hub?id={token}"), "ann@acme;first;30").await.status, 200);
    assert_eq!(stage.post(&token, "eve@acme;other;60", "hello").await, 404);
    assert_eq!(stage.ask("GET", &format!("/hub?id={token}"), "eve@acme;other;60").await.status, 404);
    pass(LIFETIME).await;
    stage.reports("expired").await;
}

#[tokio::test]
async fn new_credentials_of_the_owner_replace_the_old_ones_before_later_messages() {
    let mut stage = stage().await;
    let token = stage.negotiate("ann@acme;before;60").await;
    assert_eq!(stage.post(&token, "ann@acme;early;60", "early ").await, 200);
    assert_eq!(stage.ask("GET", &format!("/hub?id={token}"), "ann@acme;first;30").await.status, 200);
    stage.reports("early  of first").await;
    assert_eq!(stage.post(&token, "ann@acme;second;60", "a").await, 200);
    stage.reports("renewed to second").await;
    stage.reports("a of second").await;
    // The first credentials would have ended by then.
    pass(LIFETIME).await;
    assert_eq!(stage.post(&token, "ann@acme;third;30", "b").await, 200);
    stage.reports("renewed to third").await;
    stage.reports("b of third").await;
    pass(LIFETIME).await;
    stage.reports("expired").await;
}

#[tokio::test]
async fn a_resumed_connection_has_the_credentials_of_the_new_request() {
    let mut stage = stage().await;
    let token = stage.negotiate("ann@acme").await;
    let path = format!("/hub?id={token}");
    let (_, old) = stage.upgrade(&path, "ann@acme;first;60").await;
    let (status, _new) = stage.upgrade(&path, "ann@acme;second;30").await;
    assert_eq!(status, 101);
    stage.reports("renewed to second").await;
    stage.reports("back as second").await;
    pass(LIFETIME).await;
    stage.reports("expired").await;
    drop(old);
}

/// How the client of a test connects.
#[derive(Clone, Copy, Debug)]
enum Way {
    WebSocket,
    StatefulWebSocket,
    Events,
    Polls,
}

impl Stage {
    /// Opens a connection with credentials of 30 seconds. The socket keeps it open.
    async fn connect(&self, way: Way, user: &str) -> (String, Option<tokio::net::TcpStream>) {
        let reconnect = if let Way::StatefulWebSocket = way { "&useStatefulReconnect=true" } else { "" };
        let line = format!("POST /hub/negotiate?negotiateVersion=1{reconnect}");
        let body: serde_json::Value =
            serde_json::from_str(&self.running.ask(&line, &headers(user)).await.body).unwrap();
        let token = body["connectionToken"].as_str().unwrap().to_owned();
        let path = format!("/hub?id={token}");
        let socket = match way {
            Way::WebSocket | Way::StatefulWebSocket => Some(self.upgrade(&path, user).await.1),
            Way::Events => {
                let head =
                    format!("GET {path} HTTP/1.1\r\nHost: h\r\nuser: {user}\r\nAccept: text/event-stream\r\n\r\n");
                let mut stream = self.running.open(head).await;
                assert_eq!(answer(&mut stream).await.status, 200);
                Some(stream)
            }
            Way::Polls => {
                assert_eq!(self.ask("GET", &path, user).await.status, 200);
                None
            }
        };
        (token, socket)
    }

    async fn refresh(&self, token: &str, user: &str) -> (u16, serde_json::Value) {
        let answer = self.ask("POST", &format!("/hub/refresh?id={token}"), user).await;
        assert_eq!(answer.header("content-type"), Some("application/json"));
        (answer.status, serde_json::from_str(&answer.body).unwrap())
    }
}

#[tokio::test]
async fn a_refresh_prolongs_a_connection_on_every_transport() {
    for way in [Way::WebSocket, Way::StatefulWebSocket, Way::Events, Way::Polls] {
        let mut stage = stage().await;
        let (token, _socket) = stage.connect(way, "ann@acme;first;30").await;
        let (status, body) = stage.refresh(&token, "ann@acme;second;60").await;
        assert!((status, body["tokenLifetimeSeconds"].as_u64()) == (200, Some(59)), "{way:?}: {status} {body}");
        assert_eq!(body.as_object().unwrap().len(), 1);
        stage.reports("renewed to second").await;
        // The first credentials would have ended by then.
        pass(LIFETIME).await;
        assert!(stage.refresh(&token, "ann@acme;third;30").await.0 == 200, "{way:?}");
        stage.reports("renewed to third").await;
        pass(LIFETIME).await;
        stage.reports("expired").await;
    }
}

#[tokio::test]
async fn requests_with_the_old_token_keep_what_a_refresh_has_brought() {
    let mut stage = stage().await;
    let (token, _) = stage.connect(Way::Polls, "ann@acme;first").await;
    assert_eq!(stage.refresh(&token, "ann@acme;second").await, (200, serde_json::json!({})));
    stage.reports("renewed to second").await;
    assert_eq!(stage.post(&token, "ann@acme;first", "a").await, 200);
    stage.reports("a of second").await;
    assert_eq!(stage.post(&token, "ann@acme;third", "b").await, 200);
    stage.reports("renewed to third").await;
    stage.reports("b of third").await;
}

#[tokio::test]
async fn a_refused_refresh_changes_nothing() {
    let mut stage = stage().await;
    let (token, _socket) = stage.connect(Way::WebSocket, "ann@acme;first;30").await;
    let unconnected = stage.negotiate("ann@acme").await;
    let old = stage.running.ask("POST /hub/negotiate", &headers("ann@acme")).await;
    let old: serde_json::Value = serde_json::from_str(&old.body).unwrap();
    let old = old["connectionId"].as_str().unwrap();
    let (_, _old_socket) = stage.upgrade(&format!("/hub?id={old}"), "ann@acme").await;
    let here = format!("?id={token}");
    for (query, user, status, error) in [
        (&*here, "", 401, "invalid_token"),
        (&*here, "eve@acme", 403, "forbidden"),
        (&*here, "ann", 403, "forbidden"),
        (&*here, "ann@other", 403, "forbidden"),
        ("", "ann@acme", 400, "missing_connection_token"),
        ("?id=", "ann@acme", 400, "missing_connection_token"),
        ("?id=unknown", "ann@acme", 404, "connection_not_found"),
        (&*format!("?id={unconnected}"), "ann@acme", 404, "connection_not_found"),
        (&*format!("?id={old}"), "ann@acme", 404, "connection_not_found"),
        ("?id=unknown", "", 401, "invalid_token"),
    ] {
        let answer = stage.ask("POST", &format!("/hub/refresh{query}"), user).await;
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (status, Some("application/json")),
            "{query} {user}"
        );
        let body: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(body["error"], error, "{query} {user}");
        assert!(body["error_description"].is_string() && body.as_object().unwrap().len() == 2, "{body}");
    }
    assert_eq!(stage.ask("POST", &format!("/other/refresh{here}"), "ann@acme").await.status, 404);
    for method in ["GET", "PUT", "DELETE"] {
        let answer = stage.ask(method, &format!("/hub/refresh{here}"), "ann@acme").await;
        assert_eq!((answer.status, answer.header("content-type")), (405, Some("text/plain")), "{method}");
    }
    assert_eq!(stage.running.counts.client_errors(ClientError::Forbidden), 3);
    pass(LIFETIME).await;
    stage.reports("expired").await;
}

#[tokio::test]
async fn negotiations_tell_the_lifetime_of_a_token_that_can_be_refreshed() {
    let stage = stage().await;
    for (path, user, lifetime) in [
        ("/hub/negotiate?negotiateVersion=1", "ann;role;60", ",\"tokenLifetimeSeconds\":59,"),
        ("/hub/negotiate?negotiateVersion=1", "ann", ","),
        ("/hub/negotiate", "ann;role;60", ","),
        ("/plain/negotiate?negotiateVersion=1", "ann;role;60", ","),
    ] {
        let body = stage.ask("POST", path, user).await.body;
        let (_, rest) = body.split_once("\"connection").unwrap();
        assert!(rest.contains(&format!("\"{lifetime}\"availableTransports\"")), "{path} {user}: {body}");
        assert_eq!(body.contains("tokenLifetimeSeconds"), lifetime.len() > 1, "{path} {user}: {body}");
    }
    assert_eq!(stage.ask("POST", "/plain/refresh?id=a", "ann").await.status, 404);
}
