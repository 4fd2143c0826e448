//! Forged, expired and repeated tokens and headers.

use std::time::{Duration, SystemTime};

use super::*;

/// Sends bytes to the listener for other nodes.
async fn send_to_node(node: &ClusterNode, bytes: impl AsRef<[u8]>) -> Answer {
    let mut socket = TcpStream::connect(&node.address).await.unwrap();
    socket.write_all(bytes.as_ref()).await.unwrap();
    answer(&mut socket).await
}

#[tokio::test]
async fn tokens_that_no_node_has_made_are_unknown() {
    let shared = Arc::default();
    let a = ClusterNode::start(&shared, "a", Options::default()).await;
    let other_secret = Options { secrets: vec![[8; 32]], ..Options::default() };
    let stranger = ClusterNode::start(&Arc::default(), "a", other_secret).await;
    let good = a.negotiate("").await;
    let forged = stranger.negotiate("").await;
    let changed = format!("{}{}", if good.starts_with('B') { "C" } else { "B" }, &good[1..]);
    let asked = a.store.asked.load(std::sync::atomic::Ordering::Relaxed);
    for token in [forged.as_str(), &changed, "x", &"A".repeat(51), &"A".repeat(5000)] {
        for method in ["GET", "POST", "DELETE"] {
            assert_eq!(a.ask(method, token).await.status, 404, "{method} {token}");
        }
        assert_eq!(a.upgrade(token).await.0, 404);
    }
    assert_eq!(a.store.asked.load(std::sync::atomic::Ordering::Relaxed), asked, "the store is not asked");
    let refused = |reason| a.counts.refused_tokens(reason);
    assert_eq!((refused(TokenRefusal::Forged), refused(TokenRefusal::Malformed)), (4, 16));
    assert_eq!(a.upgrade(&good).await.0, 101);
}

#[tokio::test]
async fn a_token_is_for_its_user_at_every_node() {
    let [a, b] = two_nodes().await;
    let token = a.negotiate("").await;
    for (node, user) in [(&a, "bob"), (&b, "bob"), (&b, "")] {
        let (status, _) = node.running.upgrade(&format!("/echo?id={token}"), &format!("user: {user}\r\n")).await;
        assert_eq!(status, 404, "{user}");
    }
    assert_eq!(a.ask("GET", &token).await.status, 200);
    for node in [&a, &b] {
        for method in ["GET", "POST", "DELETE"] {
            let answer = node.running.ask(&format!("{method} /echo?id={token}"), &[("user", "bob")]).await;
            assert_eq!(answer.status, 404, "{method}");
        }
    }
    assert!(b.forwards().is_empty());
}

#[tokio::test]
async fn a_token_is_for_the_path_that_it_was_negotiated_at() {
    let shared = Arc::default();
    let two_paths = || Options {
        server: |server| {
            let all = Transports::WEB_SOCKETS.and(TransportKind::ServerSentEvents).and(TransportKind::LongPolling);
            server.endpoint("/other", Endpoint::new(SendsAtDrain(Vec::new())).transports(all).identify(Named))
        },
        ..Options::default()
    };
    let a = ClusterNode::start(&shared, "a", two_paths()).await;
    let b = ClusterNode::start(&shared, "b", two_paths()).await;
    let token = a.negotiate("").await;
    for node in [&a, &b] {
        assert_eq!(node.running.upgrade(&format!("/other?id={token}"), "user: ann\r\n").await.0, 404);
    }
    assert_eq!(b.running.upgrade(&format!("/ECHO/?id={token}"), "user: ann\r\n").await.0, 101, "case does not matter");
    for node in [&a, &b] {
        assert_eq!(node.running.ask(&format!("POST /other?id={token}"), &[("user", "ann")]).await.status, 404);
    }
}

#[tokio::test]
async fn a_token_that_has_opened_a_connection_opens_no_other() {
    let [a, b] = two_nodes().await;
    let token = a.negotiate("").await;
    assert_eq!(a.ask("GET", &token).await.status, 200);
    assert_eq!(b.ask("DELETE", &token).await.status, 202);
    a.running.counts.emptied().await;
    for node in [&a, &b] {
        assert_eq!(node.ask("GET", &token).await.status, 404);
        assert_eq!(node.upgrade(&token).await.0, 404);
    }
    let token = a.negotiate("").await;
    drop(a.upgrade(&token).await);
    a.running.counts.emptied().await;
    // The node itself does not need the store for that.
    a.store.sever(true);
    assert_eq!(a.upgrade(&token).await.0, 404);
    assert_eq!(b.upgrade(&token).await.0, 404);
    // `b` has asked the owner once, which it remembered.
    assert_eq!((a.counts.refused_tokens(TokenRefusal::Used), b.counts.refused_tokens(TokenRefusal::Used)), (3, 2));
}

#[tokio::test]
async fn two_requests_with_one_token_open_one_connection() {
    let [a, b] = two_nodes().await;
    for _ in 0..20 {
        let token = a.negotiate("").await;
        let (one, two, three) = tokio::join!(a.upgrade(&token), b.upgrade(&token), a.upgrade(&token));
        let mut statuses = [one.0, two.0, three.0];
        statuses.sort_unstable();
        assert_eq!(statuses, [101, 409, 409]);
    }
}

#[tokio::test]
async fn a_token_that_was_not_used_in_time_opens_nothing() {
    let shared = Arc::default();
    let limits = || Limits::default().negotiation_lifetime(Duration::ZERO);
    let a = ClusterNode::start(&shared, "a", Options { limits: limits(), ..Options::default() }).await;
    let b = ClusterNode::start(&shared, "b", Options { limits: limits(), ..Options::default() }).await;
    let (used, unused) = (a.negotiate("").await, a.negotiate("").await);
    assert_eq!(a.ask("GET", &used).await.status, 200);
    // The time in a token is in whole seconds of the system's clock.
    let end = SystemTime::now() + Duration::from_secs(1);
    until(|| SystemTime::now() > end).await;
    for node in [&a, &b] {
        assert_eq!(node.ask("GET", &unused).await.status, 404);
        assert_eq!(node.upgrade(&unused).await.0, 404);
        assert_eq!(node.counts.refused_tokens(TokenRefusal::Expired), 2);
    }
    assert_eq!(b.post(&used, "x").await.status, 200, "a connection outlives the time of its token");
}

#[tokio::test]
async fn the_listener_for_nodes_answers_nodes_only() {
    let [a, b] = two_nodes().await;
    let token = a.negotiate("").await;
    assert_eq!(a.ask("GET", &token).await.status, 200);
    // What `b` sends to `a` is caught on its way.
    let (listener, address) = listen().await;
    a.store.shared().join(&a.name, &address.to_string());
    let caught = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let request = read_until(&mut socket, "\r\n\r\nx").await;
        socket
            .write_all(b"HTTP/1.1 200 OK\r\nsignalhub-forwarded: accepted\r\nContent-Length: 0\r\n\r\n")
            .await
            .unwrap();
        request
    });
    assert_eq!(b.post(&token, "x").await.status, 200);
    let request = caught.await.unwrap();
    let header = request.lines().find(|line| line.starts_with("signalhub-forwarded: ")).unwrap();
    let forged = |from: &str, to: &str| request.replacen(from, to, 1);
    let (front, mac) = header.rsplit_once(';').unwrap();
    let other_mac = format!("{front};{}{}", if mac.starts_with('A') { "B" } else { "A" }, &mac[1..]);
    for (bytes, reason) in [
        (forged(&format!("{header}\r\n"), ""), ForwardRefusal::Missing),
        (forged(header, "signalhub-forwarded: 1;b;now"), ForwardRefusal::Malformed),
        (forged(";b;", ";b c;"), ForwardRefusal::Malformed),
        (forged(";b;", ";c;"), ForwardRefusal::Forged),
        (forged("127.0.0.1", "127.0.0.2"), ForwardRefusal::Forged),
        (forged("POST", "PUT"), ForwardRefusal::Forged),
        (forged(&token, "other"), ForwardRefusal::Forged),
        (forged(header, &other_mac), ForwardRefusal::Forged),
    ] {
        let before = a.counts.refused_forwards(reason);
        let answer = send_to_node(&a, bytes).await;
        assert_eq!((answer.status, answer.header("signalhub-forwarded")), (403, Some(reason.label())));
        assert_eq!(a.counts.refused_forwards(reason), before + 1);
    }
    let other_node = send_to_node(&b, &request).await;
    assert_eq!(other_node.header("signalhub-forwarded"), Some("forged"), "it is for one node");
    assert_eq!(send_to_node(&a, &request).await.status, 200);
    let again = send_to_node(&a, &request).await;
    assert_eq!((again.status, again.header("signalhub-forwarded")), (403, Some("replayed")));
    assert_eq!(a.counts.refused_forwards(ForwardRefusal::Replayed), 1);
}

#[tokio::test]
async fn a_client_cannot_claim_to_be_forwarded() {
    let [a, b] = two_nodes().await;
    let token = a.negotiate("").await;
    assert_eq!(a.ask("GET", &token).await.status, 200);
    let headers =
        [("user", "ann"), ("signalhub-forwarded", "1;a;0;x;http;192.0.2.7;x"), ("connection", "signalhub-forwarded")];
    let answer = b.running.ask(&format!("POST /echo?id={token}"), &headers).await;
    assert_eq!((answer.status, b.forwards()), (200, vec![("send", 1)]));
}

#[tokio::test]
async fn the_owner_checks_the_credentials_itself() {
    let shared = Arc::default();
    let a = ClusterNode::start(&shared, "a", Options::default()).await;
    // This node takes everybody for ann.
    let careless =
        Options { endpoint: |endpoint| endpoint.identify(Ann).allow_stateful_reconnects(), ..Options::default() };
    let b = ClusterNode::start(&shared, "b", careless).await;
    let token = a.negotiate("").await;
    assert_eq!(a.ask("GET", &token).await.status, 200);
    assert_eq!(b.running.ask(&format!("POST /echo?id={token}"), &[("user", "bob")]).await.status, 404);
    assert_eq!(b.running.ask(&format!("POST /echo?id={token}"), &[]).await.status, 404);
    assert_eq!((b.forwards(), a.counts.refused_forwards(ForwardRefusal::NotOwner)), (vec![("send", 2)], 2));
}

/// Takes every client for `ann`.
struct Ann;

impl Authenticate for Ann {
    fn authenticate(&self, _: &RequestHead) -> Authentication {
        Authentication::Identified(Identity::user("ann"))
    }
}

#[tokio::test]
async fn a_request_is_not_forwarded_in_a_circle() {
    let [a, b] = two_nodes().await;
    let token = a.negotiate("").await;
    assert_eq!(a.ask("GET", &token).await.status, 200);
    // `a` owns the connection, and the store says that `b` does; after the end, each of them takes the other for the owner.
    assert_eq!(b.ask("DELETE", &token).await.status, 202);
    a.running.counts.emptied().await;
    a.store.shared().give_all_to(&b.name);
    assert_eq!(a.ask("POST", &token).await.status, 404);
    assert_eq!(b.ask("POST", &token).await.status, 404);
    assert_eq!((a.forwards(), b.forwards()), (vec![("send", 1)], vec![("poll", 1), ("send", 1)]));
    let refused = [&a, &b].map(|node| node.counts.refused_forwards(ForwardRefusal::NotOwner));
    assert_eq!(refused, [1, 1]);
}

#[tokio::test]
async fn a_node_whose_address_is_one_for_clients_makes_no_circle() {
    let [a, b] = two_nodes().await;
    let token = a.negotiate("").await;
    assert_eq!(a.ask("GET", &token).await.status, 200);
    let other = NodeName::new("c").unwrap();
    a.store.shared().join(&other, &b.running.address.to_string());
    a.store.shared().give_all_to(&other);
    assert_eq!(b.post(&token, "x").await.status, 502);
    assert_eq!(b.counts.forward_failures(), [(other, 1)]);
}

#[tokio::test]
async fn without_tls_requests_are_sent_to_private_addresses_only() {
    let [a, b] = two_nodes().await;
    let token = a.negotiate("").await;
    assert_eq!(a.ask("GET", &token).await.status, 200);
    // A connection to an address for documentation would take longer than this.
    for address in ["192.0.2.1:80", "[2001:db8::1]:80", "0.0.0.0:80"] {
        a.store.shared().join(&a.name, address);
        let answer = tokio::time::timeout(Duration::from_secs(1), b.post(&token, "x")).await;
        assert_eq!(answer.expect(address).status, 502, "{address}");
    }
    a.store.shared().join(&a.name, &a.address.replace("127.0.0.1", "localhost"));
    assert_eq!(b.post(&token, "x").await.status, 200);
}
