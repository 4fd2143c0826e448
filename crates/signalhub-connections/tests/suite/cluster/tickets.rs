//! Tickets, which any node gives and takes.

use serde_json::Value;

use super::*;

const PAGE: (&str, &str) = ("Origin", "http://h");

async fn two_ticketed_nodes() -> [ClusterNode; 2] {
    let options = || Options {
        endpoint: |endpoint| {
            let endpoint = endpoint.authenticate(Tokens).tickets(Tickets::for_browsers());
            endpoint.allow_stateful_reconnects().refresh_route()
        },
        server: |server| server.origins(Origins::same()),
        ..Options::default()
    };
    let shared = Arc::default();
    [ClusterNode::start(&shared, "a", options()).await, ClusterNode::start(&shared, "b", options()).await]
}

async fn negotiate_as(node: &ClusterNode, token: &str, query: &str) -> (u16, Value) {
    let line = format!("POST /echo/negotiate?negotiateVersion=1{query}");
    let answer = node.running.ask(&line, &[PAGE, ("Authorization", &format!("Bearer {token}"))]).await;
    (answer.status, serde_json::from_str(&answer.body).unwrap_or_default())
}

/// Gets a ticket as a page does.
async fn ticket(node: &ClusterNode, token: &str) -> String {
    let (status, answer) = negotiate_as(node, token, "").await;
    assert_eq!((status, &answer["url"]), (200, &Value::from("http://h/echo")));
    answer["accessToken"].as_str().unwrap().to_owned()
}

/// Negotiates a connection with a ticket, and returns its secret token.
async fn connection(node: &ClusterNode, ticket: &str) -> String {
    let (status, answer) = negotiate_as(node, ticket, "&useStatefulReconnect=true").await;
    assert_eq!((status, answer.get("url")), (200, None));
    answer["connectionToken"].as_str().unwrap().to_owned()
}

fn url(id: &str, ticket: &str) -> String {
    format!("/echo?id={id}&access_token={ticket}")
}

/// Sends a request for a connection with the ticket in its header.
async fn ask(node: &ClusterNode, method: &str, id: &str, ticket: &str) -> u16 {
    let authorization = format!("Bearer {ticket}");
    let headers = [PAGE, ("Authorization", authorization.as_str())];
    node.running.ask(&format!("{method} /echo?id={id}"), &headers).await.status
}

#[tokio::test]
async fn a_ticket_works_with_each_request_at_another_node() {
    let [a, b] = two_ticketed_nodes().await;
    for [first, second] in [[&a, &b], [&b, &a]] {
        let ticket = ticket(first, "token.ann").await;
        assert!(ticket.starts_with("sht_") && !ticket.contains("token"), "{ticket}");
        let id = connection(second, &ticket).await;
        let (status, mut socket) = first.running.upgrade(&url(&id, &ticket), "").await;
        assert_eq!(status, 101);
        echo(&mut socket, "works").await;
        drop(socket);
        until(|| first.running.counts.suspended() == 1).await;
        let (status, mut socket) = second.running.upgrade(&url(&id, &ticket), "").await;
        assert_eq!(status, 101, "the connection is resumed at another node");
        expect_text(&mut socket, "works").await;
        socket.write_all(&[0x88, 0x82, 0, 0, 0, 0, 0x03, 0xE8]).await.unwrap();
        first.running.counts.emptied().await;
    }
    let ticket = ticket(&a, "token.ann").await;
    let id = connection(&b, &ticket).await;
    assert_eq!(ask(&a, "GET", &id, &ticket).await, 200);
    assert_eq!(ask(&b, "POST", &id, &ticket).await, 200);
    assert_eq!(ask(&b, "DELETE", &id, &ticket).await, 202);
    a.running.counts.emptied().await;
    for node in [&a, &b] {
        assert_eq!(ask(node, "GET", &id, &ticket).await, 401, "after the end");
    }
}

#[tokio::test]
async fn a_ticket_whose_connection_works_opens_no_other_at_any_node() {
    let [a, b] = two_ticketed_nodes().await;
    let ticket = ticket(&a, "token.ann").await;
    let (id, before) = (connection(&a, &ticket).await, connection(&b, &ticket).await);
    let (status, mut socket) = b.running.upgrade(&url(&id, &ticket), "").await;
    assert_eq!(status, 101);
    echo(&mut socket, "works").await;
    for node in [&a, &b] {
        assert_eq!(negotiate_as(node, &ticket, "").await.0, 401);
        assert_eq!(node.running.upgrade(&url(&before, &ticket), "").await.0, 401);
        assert_eq!(node.running.upgrade(&format!("/echo?access_token={ticket}"), "").await.0, 401);
    }
    echo(&mut socket, "still works").await;
}

#[tokio::test]
async fn a_client_negotiates_again_at_any_node_until_a_transport_works() {
    let [a, b] = two_ticketed_nodes().await;
    let ticket = ticket(&a, "token.ann").await;
    let dropped = connection(&b, &ticket).await;
    drop(a.running.upgrade(&url(&dropped, &ticket), "").await);
    let works = connection(&a, &ticket).await;
    let (status, mut socket) = b.running.upgrade(&url(&works, &ticket), "").await;
    assert_eq!(status, 101);
    echo(&mut socket, "works").await;
    assert_eq!(negotiate_as(&a, &ticket, "").await.0, 401);
}

#[tokio::test]
async fn a_ticket_is_for_its_own_connection() {
    let [a, b] = two_ticketed_nodes().await;
    let (one, other) = (ticket(&a, "token.ann").await, ticket(&a, "token.ann").await);
    let (own, foreign) = (connection(&a, &one).await, connection(&b, &other).await);
    let bearer = negotiate_without_page(&a, "token.ann").await;
    for node in [&a, &b] {
        for id in [&foreign, &bearer, "x"] {
            assert_eq!(node.running.upgrade(&url(id, &one), "").await.0, 401);
        }
    }
    let (status, _socket) = a.running.upgrade(&url(&own, &one), "").await;
    assert_eq!(status, 101);
    assert_eq!(ask(&b, "POST", &own, &other).await, 401);
    let (status, _socket) = b.running.upgrade(&url(&foreign, &other), "").await;
    assert_eq!(status, 101);
}

/// Negotiates with a bearer token as a program does, which gets no ticket.
async fn negotiate_without_page(node: &ClusterNode, token: &str) -> String {
    let line = "POST /echo/negotiate?negotiateVersion=1";
    let answer = node.running.ask(line, &[("Authorization", &format!("Bearer {token}"))]).await;
    let body: Value = serde_json::from_str(&answer.body).unwrap();
    body["connectionToken"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn an_upgrade_without_negotiation_uses_a_ticket_up_at_all_nodes() {
    let [a, b] = two_ticketed_nodes().await;
    let ticket = ticket(&a, "token.ann").await;
    let target = format!("/echo?access_token={ticket}");
    let (status, mut socket) = b.running.upgrade(&target, "").await;
    assert_eq!(status, 101);
    for node in [&a, &b] {
        assert_eq!(node.running.upgrade(&target, "").await.0, 401);
        assert_eq!(negotiate_as(node, &ticket, "").await.0, 401);
    }
    echo(&mut socket, "works").await;
}

#[tokio::test]
async fn a_ticket_that_no_node_has_made_is_a_guess_and_opens_nothing() {
    let [a, _] = two_ticketed_nodes().await;
    let ticket = ticket(&a, "token.ann").await;
    let last = if ticket.ends_with('A') { "Q" } else { "A" };
    let changed = format!("{}{last}", &ticket[..ticket.len() - 1]);
    for wrong in ["sht_x", &changed, &format!("sht_{}", "A".repeat(200))] {
        assert_eq!(negotiate_as(&a, wrong, "").await.0, 401, "{wrong}");
        assert_eq!(a.running.upgrade(&format!("/echo?access_token={wrong}"), "").await.0, 401);
    }
    assert_eq!(negotiate_as(&a, &ticket, "").await.0, 200);
}

#[tokio::test]
async fn a_ticket_ends_with_its_token_until_that_is_refreshed_at_any_node() {
    let [a, b] = two_ticketed_nodes().await;
    let (_, answer) = negotiate_as(&a, "token.ann.60", "").await;
    let ticket = answer["accessToken"].as_str().unwrap();
    let id = connection(&b, ticket).await;
    assert_eq!(ask(&a, "GET", &id, ticket).await, 200);
    let refresh = async |node: &ClusterNode, token: &str| {
        let authorization = format!("Bearer {token}");
        let headers = [PAGE, ("Authorization", authorization.as_str())];
        node.running.ask(&format!("POST /echo/refresh?id={id}"), &headers).await.status
    };
    assert_eq!(refresh(&b, ticket).await, 401, "a ticket is not a new token");
    assert_eq!([refresh(&a, "token.bob").await, refresh(&b, "token.bob").await], [403; 2], "another user");
    let made_up = format!("AQI{}", "A".repeat(48));
    let headers = [PAGE, ("Authorization", "Bearer token.bob.60")];
    let refused = b.running.ask(&format!("POST /echo/refresh?id={made_up}"), &headers).await;
    assert_eq!(refused.status, 404, "a connection that no node has");
    // A token that has expired stands behind the ticket from now on.
    assert_eq!(refresh(&b, "token.ann.0").await, 200);
    for node in [&a, &b] {
        assert_eq!(ask(node, "POST", &id, ticket).await, 401);
    }
    assert_eq!(refresh(&b, "token.ann.60").await, 200);
    for node in [&a, &b] {
        assert_eq!(ask(node, "POST", &id, ticket).await, 200);
    }
    assert_eq!(b.forwards(), [("send", 5)]);
}

#[tokio::test]
async fn tickets_take_no_memory() {
    let [a, b] = two_ticketed_nodes().await;
    for _ in 0..50 {
        let ticket = ticket(&a, "token.ann").await;
        connection(&b, &ticket).await;
    }
    assert_eq!((a.running.counts.waiting(), b.running.counts.waiting()), (0, 0));
    assert_eq!((a.counts.claims(), b.counts.claims()), (0, 0));
}
