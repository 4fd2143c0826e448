//! Tickets, over real sockets: who gets one, and what it opens.

use std::time::{Duration, SystemTime};

use crate::support::*;
use serde_json::Value;
use signalhub_connections::*;
use tokio::io::AsyncReadExt;

const PAGE: (&str, &str) = ("Origin", "http://h");
const NEGOTIATE: &str = "POST /echo/negotiate?negotiateVersion=1";

async fn start_with_tickets(configure: impl FnOnce(Endpoint) -> Endpoint, limits: Limits) -> Running {
    let endpoint = |endpoint: Endpoint| configure(endpoint.authenticate(Tokens).tickets(Tickets::for_browsers()));
    start_with(endpoint, |server| server.limits(limits.descriptor_headroom(0)).origins(Origins::same())).await
}

async fn ticketed() -> Running {
    start_with_tickets(|endpoint| endpoint, Limits::default()).await
}

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

async fn negotiate_as(running: &Running, token: &str) -> (u16, Value) {
    let answer = running.ask(NEGOTIATE, &[PAGE, ("Authorization", &bearer(token))]).await;
    (answer.status, serde_json::from_str(&answer.body).unwrap_or_default())
}

/// Gets a ticket as a page does.
async fn ticket(running: &Running, token: &str) -> String {
    let (status, answer) = negotiate_as(running, token).await;
    assert_eq!(status, 200);
    answer["accessToken"].as_str().unwrap().to_owned()
}

/// Negotiates a connection with a ticket, and returns its secret token.
async fn connection(running: &Running, ticket: &str) -> String {
    let (status, answer) = negotiate_as(running, ticket).await;
    assert_eq!((status, answer.get("url")), (200, None));
    answer["connectionToken"].as_str().unwrap().to_owned()
}

fn url(id: &str, ticket: &str) -> String {
    format!("/echo?id={id}&access_token={ticket}")
}

#[tokio::test]
async fn a_page_that_negotiates_with_a_token_gets_the_address_and_a_ticket() {
    let running = ticketed().await;
    let token = bearer("token.ann");
    let answer = running.ask(NEGOTIATE, &[PAGE, ("Authorization", &token)]).await;
    let ticket = serde_json::from_str::<Value>(&answer.body).unwrap()["accessToken"].as_str().unwrap().to_owned();
    assert_eq!((ticket.len(), &ticket[..4]), (47, "sht_"));
    let expected = format!(r#"{{"negotiateVersion":1,"url":"http://h/echo","accessToken":"{ticket}"}}"#);
    assert_eq!((answer.status, answer.body), (200, expected));
    assert_eq!(
        answer.head.iter().filter(|line| line.starts_with("content-type")).collect::<Vec<_>>(),
        ["content-type: application/json"]
    );
    // Version 0, and what the client itself has in its query.
    let target = "POST /echo/negotiate?useStatefulReconnect=true&shop=7&access_token=token.ann";
    let answer = running.ask(target, &[PAGE]).await;
    assert!(
        answer.body.starts_with(r#"{"negotiateVersion":0,"url":"http://h/echo?shop=7","accessToken":"sht_"#),
        "{}",
        answer.body
    );
}

#[tokio::test]
async fn only_pages_with_tokens_get_tickets() {
    let running = ticketed().await;
    let token = ("Authorization", "Bearer token.ann");
    for (headers, status, is_connection) in [
        (&[token][..], 200, true),
        (&[PAGE], 401, false),
        (&[PAGE, ("Authorization", "Bearer x")], 401, false),
        (&[PAGE, ("Authorization", "Bearer sht_x")], 401, false),
    ] {
        let answer = running.ask(NEGOTIATE, headers).await;
        assert_eq!((answer.status, answer.body.contains("connectionToken")), (status, is_connection), "{headers:?}");
        assert!(!answer.body.contains("sht_"), "{headers:?}");
    }
    // Clients of an endpoint that reads other credentials have no token in a URL.
    let named = |endpoint: Endpoint| endpoint.authenticate(Named).tickets(Tickets::for_all());
    let running = start_with(named, |server| server).await;
    let answer = running.ask(NEGOTIATE, &[PAGE, ("user", "ann")]).await;
    assert!(answer.body.contains("connectionToken"), "{}", answer.body);
    // Off by default.
    let running = start_with(|endpoint| endpoint.authenticate(Tokens), |server| server).await;
    let answer = running.ask(NEGOTIATE, &[PAGE, token]).await;
    assert!(answer.body.contains("connectionToken"), "{}", answer.body);
    // For all.
    let all = |endpoint: Endpoint| endpoint.authenticate(Tokens).tickets(Tickets::for_all());
    let running = start_with(all, |server| server).await;
    let answer = running.ask(NEGOTIATE, &[token]).await;
    assert!(answer.body.contains("sht_"), "{}", answer.body);
}

#[tokio::test]
async fn a_ticket_opens_one_connection_until_that_ends() {
    let mut running = ticketed().await;
    let (ann, other) = (ticket(&running, "token.ann").await, ticket(&running, "token.ann").await);
    let foreign = connection(&running, &other).await;
    let id = connection(&running, &ann).await;
    assert_eq!(running.upgrade(&url(&foreign, &ann), "").await.0, 401, "another connection of the same user");
    assert_eq!(running.upgrade(&format!("/echo?access_token={ann}"), "").await.0, 401, "no connection");
    let (status, mut socket) = running.upgrade(&url(&id, &ann), "").await;
    assert_eq!(status, 101);
    echo(&mut socket, "works").await;

    // The URL from a log, while the connection lives.
    assert_eq!(running.upgrade(&url(&id, &ann), "").await.0, 409);
    assert_eq!(negotiate_as(&running, &ann).await.0, 401, "the client has used its connection");
    let post = running.ask(&format!("POST {}", url(&id, &ann)), &[PAGE]).await;
    assert_eq!(post.status, 405);
    // And after it.
    drop(socket);
    running.ended.recv().await.unwrap();
    running.counts.emptied().await;
    for target in [url(&id, &ann), url(&foreign, &ann), format!("/echo?access_token={ann}")] {
        assert_eq!(running.upgrade(&target, "").await.0, 401, "{target}");
    }
    // Of this token, the connection opens anew.
    let again = ticket(&running, "token.ann").await;
    let id = connection(&running, &again).await;
    assert_eq!(running.upgrade(&url(&id, &again), "").await.0, 101);
}

#[tokio::test]
async fn a_ticket_opens_a_connection_of_version_0() {
    let running = ticketed().await;
    let negotiate = async |token: &str| {
        let headers = [PAGE, ("Authorization", &*bearer(token))];
        let answer = running.ask("POST /echo/negotiate", &headers).await;
        serde_json::from_str::<Value>(&answer.body).unwrap()
    };
    let redirection = negotiate("token.ann").await;
    let ticket = redirection["accessToken"].as_str().unwrap();
    let answer = negotiate(ticket).await;
    let id = answer["connectionId"].as_str().unwrap();
    let (status, mut socket) = running.upgrade(&url(id, ticket), "").await;
    assert_eq!(status, 101);
    echo(&mut socket, "works").await;
    assert_eq!(running.upgrade(&url(id, ticket), "").await.0, 409);
    assert_eq!(running.upgrade(&url(id, "token.ann"), "").await.0, 409, "the token finds the connection as well");
}

#[tokio::test]
async fn an_upgrade_without_negotiation_binds_a_ticket() {
    let mut running = ticketed().await;
    let ticket = ticket(&running, "token.ann").await;
    let target = format!("/echo?access_token={ticket}");
    let (status, mut socket) = running.upgrade(&target, "").await;
    assert_eq!(status, 101);
    assert_eq!(running.upgrade(&target, "").await.0, 401);
    echo(&mut socket, "works").await;
    assert_eq!(negotiate_as(&running, &ticket).await.0, 401);
    drop(socket);
    running.ended.recv().await.unwrap();
    assert_eq!(running.upgrade(&target, "").await.0, 401);
}

#[tokio::test]
async fn a_client_negotiates_again_with_its_ticket_until_a_transport_works() {
    let running = ticketed().await;
    let ticket = ticket(&running, "token.ann").await;
    // The upgrade never arrives.
    let lost = connection(&running, &ticket).await;
    // A proxy removes the upgrade: the server takes the request for a poll.
    let polled = connection(&running, &ticket).await;
    assert_eq!(running.upgrade(&url(&lost, &ticket), "").await.0, 401, "only the last negotiation counts");
    assert_eq!(running.counts.waiting(), 1, "the one before is removed");
    assert_eq!(running.ask(&format!("GET {}", url(&polled, &ticket)), &[PAGE]).await.status, 200);
    // A proxy drops the answer of a WebSocket.
    let dropped = connection(&running, &ticket).await;
    assert_eq!(running.ask(&format!("GET {}", url(&polled, &ticket)), &[PAGE]).await.status, 401);
    drop(running.upgrade(&url(&dropped, &ticket), "").await);
    let works = connection(&running, &ticket).await;
    let (status, mut socket) = running.upgrade(&url(&works, &ticket), "").await;
    assert_eq!(status, 101);
    echo(&mut socket, "works").await;
    assert_eq!(negotiate_as(&running, &ticket).await.0, 401);
}

#[tokio::test]
async fn polls_and_posts_use_the_ticket_in_their_header() {
    let running = ticketed().await;
    let ticket = ticket(&running, "token.ann").await;
    let id = connection(&running, &ticket).await;
    let authorization = bearer(&ticket);
    let headers = [PAGE, ("Authorization", authorization.as_str())];
    let ask = async |method: &str| running.ask(&format!("{method} /echo?id={id}"), &headers).await;
    assert_eq!(ask("GET").await.status, 200);
    let post = format!(
        "POST /echo?id={id} HTTP/1.1\r\nHost: h\r\nAuthorization: {authorization}\r\nContent-Length: 5\r\n\r\nhello"
    );
    assert_eq!(answer(&mut running.open(post).await).await.status, 200);
    let poll = ask("GET").await;
    assert_eq!((poll.status, poll.body.as_str()), (200, "hello"));
    assert_eq!(ask("DELETE").await.status, 202);
    running.counts.emptied().await;
    for method in ["GET", "POST", "DELETE"] {
        assert_eq!(ask(method).await.status, 401, "{method} after the end");
    }
}

#[tokio::test]
async fn a_ticket_resumes_its_connection() {
    let running = start_with_tickets(Endpoint::allow_stateful_reconnects, Limits::default()).await;
    let ticket = ticket(&running, "token.ann").await;
    let headers = [PAGE, ("Authorization", &*bearer(&ticket))];
    let answer = running.ask("POST /echo/negotiate?negotiateVersion=1&useStatefulReconnect=true", &headers).await;
    assert!(answer.body.starts_with(r#"{"useStatefulReconnect":true,"#), "{}", answer.body);
    let answer: Value = serde_json::from_str(&answer.body).unwrap();
    let id = answer["connectionToken"].as_str().unwrap();
    let (_, mut first) = running.upgrade(&url(id, &ticket), "").await;
    echo(&mut first, "one").await;
    drop(first);
    until(|| running.counts.suspended() == 1).await;
    let (status, mut second) = running.upgrade(&url(id, &ticket), "").await;
    assert_eq!(status, 101);
    until(|| running.counts.resumed() == 1).await;
    // The echo handler sends its unacknowledged frame again.
    let mut again = [0; 5];
    second.read_exact(&mut again).await.unwrap();
    assert_eq!(&again[2..], b"one");
}

#[tokio::test]
async fn a_ticket_ends_with_the_token_that_it_stands_for() {
    let running = ticketed().await;
    let ticket = ticket(&running, "token.ann.1").await;
    let id = connection(&running, &ticket).await;
    let expired = || running.counts.client_errors(ClientError::ExpiredCredentials);
    let started = SystemTime::now();
    loop {
        let status = running.ask(&format!("POST {}", url(&id, &ticket)), &[PAGE]).await.status;
        let elapsed = started.elapsed().unwrap();
        match status {
            200 => assert!(elapsed < Duration::from_secs(10)),
            _ => {
                assert_eq!((status, expired()), (401, 1));
                assert!(elapsed > Duration::from_millis(500), "{elapsed:?}");
                break;
            }
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_refreshed_token_prolongs_the_ticket() {
    let running = start_with_tickets(Endpoint::refresh_route, Limits::default()).await;
    let (status, answer) = negotiate_as(&running, "token.ann.2").await;
    assert_eq!((status, &answer["tokenLifetimeSeconds"]), (200, &Value::from(1)), "{answer}");
    let ticket = answer["accessToken"].as_str().unwrap();
    let (_, answer) = negotiate_as(&running, ticket).await;
    assert!(answer["tokenLifetimeSeconds"].is_u64(), "{answer}");
    let id = answer["connectionToken"].as_str().unwrap();
    let ask = async |method: &str, target: &str, token: &str| {
        running.ask(&format!("{method} {target}?id={id}"), &[PAGE, ("Authorization", &bearer(token))]).await.status
    };
    assert_eq!(ask("GET", "/echo", ticket).await, 200);
    assert_eq!(ask("POST", "/echo/refresh", ticket).await, 401, "a ticket is not a new token");
    assert_eq!(ask("POST", "/echo/refresh", "token.ann.60").await, 200);
    // The time of tokens is that of the system.
    tokio::time::sleep(Duration::from_millis(2100)).await;
    assert_eq!(ask("POST", "/echo", ticket).await, 200);
}

#[tokio::test]
async fn unused_tickets_expire_and_are_bounded() {
    let running = start_with_tickets(|endpoint| endpoint, Limits::default().pending_negotiations(4)).await;
    let unused = ticket(&running, "token.ann").await;
    assert_eq!(negotiate_as(&running, "token.ann").await.0, 429, "a quarter for each user");
    ticket(&running, "token.bob").await;
    assert_eq!(negotiate_as(&running, "token.cem").await.0, 429, "half for each address");
    assert_eq!((running.counts.waiting(), running.counts.refusals().pending_negotiations_per_user), (0, 1));
    pass(Duration::from_secs(16)).await;
    assert_eq!(negotiate_as(&running, &unused).await.0, 401);
    until(|| running.counts.client_errors(ClientError::TicketExpired) == 2).await;
    ticket(&running, "token.ann").await;

    let running = start_with_tickets(
        |endpoint| endpoint,
        Limits::default().pending_negotiations(1).pending_negotiations_per_user(9).pending_negotiations_per_address(9),
    )
    .await;
    ticket(&running, "token.ann").await;
    let headers = [PAGE, ("Authorization", "Bearer token.bob")];
    let refused = running.ask(NEGOTIATE, &headers).await;
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("5")));
}

#[tokio::test]
async fn wrong_tickets_count_as_guesses_and_tickets_of_others_do_not() {
    let guesses = GuessLimit::new(2, Duration::from_secs(3600));
    let running = start_with_tickets(|endpoint| endpoint.guess_limit(guesses), Limits::default()).await;
    let ticket = ticket(&running, "token.ann").await;
    for expected in [401, 401, 401, 401] {
        assert_eq!(running.upgrade(&url("other", &ticket), "").await.0, expected);
    }
    for expected in [401, 401, 429] {
        assert_eq!(running.upgrade("/echo?access_token=sht_x", "").await.0, expected);
    }
    connection(&running, &ticket).await;
}

#[tokio::test]
async fn a_ticket_is_good_for_its_endpoint_alone() {
    let all = Transports::WEB_SOCKETS;
    let other = || Endpoint::new(SendsAtDrain(Vec::new())).transports(all).authenticate(Tokens);
    let configure = |server: Server| {
        server.endpoint("/tickets", other().tickets(Tickets::for_browsers())).endpoint("/tokens", other())
    };
    let running =
        start_with(|endpoint| endpoint.authenticate(Tokens).tickets(Tickets::for_browsers()), configure).await;
    let ticket = ticket(&running, "token.ann").await;
    for (path, expected) in [("/tickets", 401), ("/tokens", 401), ("/echo", 101)] {
        assert_eq!(running.upgrade(&format!("{path}?access_token={ticket}"), "").await.0, expected, "{path}");
    }
}

#[tokio::test]
async fn a_ticket_in_the_header_shows_that_no_foreign_page_sent_the_request() {
    let running = ticketed().await;
    let ticket = ticket(&running, "token.ann").await;
    let id = connection(&running, &ticket).await;
    let foreign = "Origin: https://foreign.example\r\n";
    let target = format!("/echo?id={id}");
    assert_eq!(running.upgrade(&url(&id, &ticket), foreign).await.0, 403);
    assert_eq!(running.upgrade(&target, &format!("{foreign}Authorization: Bearer sht_x\r\n")).await.0, 403);
    assert_eq!(running.upgrade(&target, &format!("{foreign}Authorization: Bearer {ticket}\r\n")).await.0, 101);
}

#[tokio::test]
async fn neither_token_nor_ticket_is_logged() {
    let (log, _guard) = Log::start();
    let running = ticketed().await;
    let ticket = ticket(&running, "token.ann").await;
    let id = connection(&running, &ticket).await;
    let (_, mut socket) = running.upgrade(&url(&id, &ticket), "").await;
    echo(&mut socket, "works").await;
    running.upgrade(&url(&id, &ticket), "").await;
    running.upgrade("/echo?access_token=sht_wrong", "").await;
    let lines = log.take();
    assert!(lines.iter().any(|(_, line)| line.contains("there is no such ticket")), "{lines:?}");
    for (_, line) in &lines {
        assert!(!line.contains(&ticket) && !line.contains("token.ann") && !line.contains("sht_"), "{line}");
    }
}
