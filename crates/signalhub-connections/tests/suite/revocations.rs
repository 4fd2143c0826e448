//! Credentials that are revoked while a server runs, over real sockets.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::support::*;
use signalhub_connections::*;
use tokio::net::TcpStream;
use tokio::sync::mpsc;

/// Authenticates each client as what its token or its header `user` says: `user[@organisation];iat;jti`.
struct Named;

impl Authenticate for Named {
    fn authenticate(&self, request: &RequestHead) -> Authentication {
        let header = request.headers.get("user").and_then(|name| name.to_str().ok());
        let Some(text) = authorization_token(request).or(header) else { return Authentication::Missing };
        let mut parts = text.split(';');
        let mut identity = user_at_organisation(parts.next().unwrap());
        if let Some(iat) = parts.next().and_then(|iat| iat.parse::<u64>().ok()) {
            identity = identity.with_claim("iat", iat);
        }
        if let Some(jti) = parts.next() {
            identity = identity.with_claim("jti", jti);
        }
        Authentication::Identified(identity)
    }
}

/// Reports which connections are aborted, and takes every text as a new token.
struct Watched(mpsc::Sender<String>);

impl ConnectionHandler for Watched {
    fn handle(self: Arc<Self>, mut connection: Connection) -> BoxFuture<()> {
        Box::pin(async move {
            if connection.is_resumable() {
                connection.outbound().retain(1000);
            }
            let reason = loop {
                match connection.receive(Intake::Open).await {
                    Received::Bytes => {
                        let token = String::from_utf8_lossy(connection.input()).into_owned();
                        connection.consume(token.len());
                        let refreshed = connection.token_refresher().refresh(&token).await;
                        let outcome = refreshed.map_or_else(|error| error.to_string(), |_| "refreshed".to_owned());
                        self.0.try_send(outcome).unwrap();
                    }
                    Received::Aborted => break CloseReason::Aborted,
                    Received::Ended(reason) => break reason,
                    _ => {}
                }
            };
            let user = connection.identity().user.as_deref().unwrap_or_default().to_owned();
            self.0.try_send(format!("{user}: {}", reason.label())).unwrap();
            connection.close(reason).await;
        })
    }
}

struct Stage {
    running: Running,
    revocations: Revocations,
    reports: mpsc::Receiver<String>,
}

const MEMORY: Duration = Duration::from_secs(3600);

fn ann() -> Revocation {
    Revocation::User { user: "ann".to_owned(), organisation: None, before: UNIX_EPOCH + Duration::from_secs(1000) }
}

async fn stage() -> Stage {
    let (sender, reports) = mpsc::channel(64);
    let endpoint = Endpoint::new(Watched(sender))
        .authenticate(Named)
        .transports(Transports::ALL)
        .allow_stateful_reconnects()
        .disconnect_timeout(Duration::from_secs(60))
        .refresh_route();
    let mut revocations = None;
    let running = start_with(
        |endpoint| endpoint,
        |server| {
            revocations = Some(server.revocations());
            server.limits(Limits::default().descriptor_headroom(0)).endpoint("/hub", endpoint)
        },
    );
    Stage { running: running.await, revocations: revocations.unwrap(), reports }
}

impl Stage {
    async fn ask(&self, line: &str, user: &str) -> Answer {
        self.running.ask(line, &[("user", user)]).await
    }

    async fn negotiate(&self, query: &str, user: &str) -> String {
        let answer = self.ask(&format!("POST /hub/negotiate?negotiateVersion=1{query}"), user).await;
        let body: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        body["connectionToken"].as_str().unwrap().to_owned()
    }

    async fn upgrade(&self, token: &str, user: &str) -> (u16, TcpStream) {
        self.running.upgrade(&format!("/hub?id={token}"), &format!("user: {user}\r\n")).await
    }

    async fn connect(&self, query: &str, user: &str) -> (String, TcpStream) {
        let token = self.negotiate(query, user).await;
        let (status, socket) = self.upgrade(&token, user).await;
        assert_eq!(status, 101);
        (token, socket)
    }

    async fn reports(&mut self, expected: &str) {
        let report = tokio::time::timeout(Duration::from_secs(10), self.reports.recv()).await;
        assert_eq!(report.expect("it is reported in time").unwrap(), expected);
    }
}

#[tokio::test]
async fn a_revocation_closes_the_connections_with_the_credentials_on_every_transport_and_no_others() {
    let mut stage = stage().await;
    let (_, socket) = stage.connect("", "ann;999").await;
    let (lost, gone) = stage.connect("&useStatefulReconnect=true", "ann;999").await;
    gone.set_zero_linger().unwrap();
    drop(gone);
    until(|| stage.running.counts.suspended() == 1).await;
    let token = stage.negotiate("", "ann@acme;5").await;
    let events =
        format!("GET /hub?id={token} HTTP/1.1\r\nHost: h\r\nuser: ann@acme;5\r\nAccept: text/event-stream\r\n\r\n");
    let mut stream = stage.running.open(events).await;
    assert_eq!(answer(&mut stream).await.status, 200);
    let polled = stage.negotiate("", "ann").await;
    assert_eq!(stage.ask(&format!("GET /hub?id={polled}"), "ann").await.status, 200);
    let (_, _newer) = stage.connect("", "ann;1000").await;
    let (_, _other) = stage.connect("", "eve;1").await;
    let (_, named) = stage.connect("", "bob;2000;token-7").await;

    stage.revocations.revoke(&ann(), MEMORY).unwrap();
    for _ in 0..4 {
        stage.reports("ann: aborted").await;
    }
    drop((socket, stream));
    assert_eq!(stage.upgrade(&lost, "ann;999").await.0, 401);
    stage.revocations.revoke(&Revocation::Token { id: "token-7".to_owned() }, MEMORY).unwrap();
    stage.reports("bob: aborted").await;
    drop(named);
    until(|| stage.running.counts.active() == 2).await;
    assert_eq!(stage.running.counts.ended(CloseReason::Aborted), 5);
    assert!(stage.reports.try_recv().is_err());
}

#[tokio::test]
async fn revoked_credentials_are_refused_in_every_request() {
    let mut stage = stage().await;
    let waiting = stage.negotiate("", "ann;999").await;
    let (live, _newer) = stage.connect("&useStatefulReconnect=true", "ann;1000").await;
    stage.revocations.revoke(&ann(), MEMORY).unwrap();
    for line in [
        "POST /hub/negotiate?negotiateVersion=1".to_owned(),
        format!("GET /hub?id={waiting}"),
        format!("POST /hub?id={live}"),
        format!("DELETE /hub?id={live}"),
        format!("POST /hub/refresh?id={live}"),
    ] {
        assert_eq!(stage.ask(&line, "ann;999").await.status, 401, "{line}");
        assert_ne!(stage.ask(&line, "eve;999").await.status, 401, "{line}");
    }
    // A stateful reconnect with the old credentials, while those of the connection are good.
    assert_eq!(stage.upgrade(&live, "ann;999").await.0, 401);
    assert_eq!(stage.running.counts.client_errors(ClientError::RevokedCredentials), 6);
    let newer = stage.ask(&format!("POST /hub/refresh?id={live}"), "ann;1001").await;
    assert_eq!(newer.status, 200);
    assert_eq!(stage.running.counts.active(), 1);
    assert!(stage.reports.try_recv().is_err());
}

#[tokio::test]
async fn a_revoked_token_cannot_be_refreshed_to_over_a_connection() {
    let (connection, mut peer) = Connection::pair(Identity::user("ann"));
    let unsupported = connection.token_refresher().refresh("ann;1").await;
    assert_eq!(unsupported.unwrap_err(), RefreshError::Unsupported);
    peer.lose();

    let mut stage = stage().await;
    let (token, mut socket) = stage.connect("", "ann;1000").await;
    stage.revocations.revoke(&ann(), MEMORY).unwrap();
    for (text, outcome) in [
        ("ann;999", "the token has been revoked"),
        ("eve;999", "the token is of another user"),
        ("ann;1001", "refreshed"),
    ] {
        // One masked text frame.
        let mut frame = vec![0x81, 0x80 | u8::try_from(text.len()).unwrap(), 0, 0, 0, 0];
        frame.extend_from_slice(text.as_bytes());
        tokio::io::AsyncWriteExt::write_all(&mut socket, &frame).await.unwrap();
        stage.reports(outcome).await;
    }
    assert_eq!(stage.ask(&format!("POST /hub/refresh?id={token}"), "ann;1002").await.status, 200);
}

#[tokio::test]
async fn a_revocation_is_forgotten_after_its_time() {
    let stage = stage().await;
    stage.revocations.revoke(&ann(), MEMORY).unwrap();
    assert!(stage.revocations.is_revoked(&Identity::user("ann")));
    pass(MEMORY).await;
    assert_eq!(stage.ask("POST /hub/negotiate", "ann;999").await.status, 200);
    let before = SystemTime::now() + Duration::from_secs(3600);
    let future = Revocation::User { user: "ann".to_owned(), organisation: None, before };
    assert_eq!(stage.revocations.revoke(&future, MEMORY), Err(RevokeError::InTheFuture));
}
