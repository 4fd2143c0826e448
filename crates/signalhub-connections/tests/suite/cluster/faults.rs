//! What a node does without the store, and without other nodes.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::*;

/// How often claims are renewed, and a little more.
const RENEWAL: Duration = Duration::from_secs(21);

#[tokio::test]
async fn without_the_store_a_web_socket_is_opened_and_claimed_later() {
    let [a, b] = two_nodes().await;
    a.store.sever(true);
    let token = b.negotiate("").await;
    let (status, mut socket) = a.upgrade(&token).await;
    assert_eq!((status, a.counts.unclaimed(), a.store.shared().owned()), (101, 1, 0));
    echo(&mut socket, "hello").await;
    let token = b.negotiate("").await;
    for method in ["GET", "POST", "DELETE"] {
        let answer = a.ask(method, &token).await;
        assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")), "{method}");
    }
    assert_eq!(a.counts.unavailable(), 3);
    a.store.sever(false);
    pass(RENEWAL).await;
    until(|| a.counts.unclaimed() == 0).await;
    assert_eq!(a.store.shared().owned(), 1);
    echo(&mut socket, "still here").await;
}

#[tokio::test]
async fn a_claim_that_a_part_of_the_store_did_not_answer_for_is_renewed_later() {
    let [a, b] = two_nodes().await;
    a.store.sever(true);
    let token = b.negotiate("").await;
    let (status, mut socket) = a.upgrade(&token).await;
    assert_eq!((status, a.counts.unclaimed()), (101, 1));
    a.store.sever(false);
    a.store.answers_no_renewal.store(true, Ordering::Relaxed);
    for _ in 0..2 {
        let asked = a.store.asked.load(Ordering::Relaxed);
        pass(RENEWAL).await;
        until(|| a.store.asked.load(Ordering::Relaxed) > asked).await;
    }
    assert_eq!((a.counts.unclaimed(), a.counts.lost_claims()), (1, 0));
    a.store.answers_no_renewal.store(false, Ordering::Relaxed);
    pass(RENEWAL).await;
    until(|| a.counts.unclaimed() == 0).await;
    echo(&mut socket, "still here").await;
}

#[tokio::test]
async fn without_the_store_requests_are_forwarded_to_owners_that_are_known() {
    let [a, b] = two_nodes().await;
    let token = a.negotiate("").await;
    assert_eq!(a.ask("GET", &token).await.status, 200);
    assert_eq!(b.post(&token, "one").await.status, 200);
    b.store.sever(true);
    assert_eq!(b.post(&token, "two").await.status, 200);
    assert_eq!(b.ask("GET", &token).await.body, "onetwo");
    pass(Duration::from_secs(31)).await;
    assert_eq!(b.ask("GET", &token).await.status, 503, "what is known gets old");
}

#[tokio::test]
async fn a_node_that_has_lost_its_claim_ends_the_connection() {
    let [mut a, b] = two_nodes().await;
    let token = a.negotiate("").await;
    let _events = a.events(&token).await;
    a.store.shared().give_all_to(&b.name);
    pass(RENEWAL).await;
    until(|| a.counts.lost_claims() == 1).await;
    assert_eq!(a.running.ended.recv().await, Some(CloseReason::Aborted));
    a.running.counts.emptied().await;
}

#[tokio::test]
async fn claims_that_the_store_has_lost_are_made_again() {
    let [a, b] = two_nodes().await;
    let token = a.negotiate("").await;
    let _events = a.events(&token).await;
    a.store.shared().forget_all();
    assert_eq!(b.post(&token, "lost").await.status, 404);
    pass(RENEWAL).await;
    until(|| a.store.shared().owned() == 1).await;
    assert_eq!(b.post(&token, "found").await.status, 200);
}

#[tokio::test]
async fn claims_are_made_again_at_once_when_the_store_tells_that_it_has_lost_them() {
    let [a, b] = two_nodes().await;
    let token = a.negotiate("").await;
    let _events = a.events(&token).await;
    for _ in 0..2 {
        a.store.shared().forget_all();
        a.store.tell_lost();
        until(|| a.store.shared().owned() == 1).await;
        assert_eq!(b.post(&token, "found").await.status, 200);
        pass(Duration::from_secs(1)).await;
    }
}

#[tokio::test]
async fn claims_are_renewed_after_a_panic() {
    let [a, _b] = two_nodes().await;
    let token = a.negotiate("").await;
    let _events = a.events(&token).await;
    a.store.panics_once.store(true, Ordering::Relaxed);
    pass(RENEWAL).await;
    until(|| a.counts.renewal_panics() == 1).await;
    a.store.shared().forget_all();
    until(|| a.store.shared().owned() == 1).await;
}

/// Reads the head of a request, if one comes.
async fn takes_a_head(socket: &mut TcpStream) -> bool {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        match socket.read_u8().await {
            Ok(byte) => bytes.push(byte),
            Err(_) => return false,
        }
    }
    true
}

#[tokio::test]
async fn an_owner_that_hangs_is_a_bad_gateway_in_time_and_gets_the_next_request() {
    let [a, b] = two_nodes().await;
    let (listener, address) = listen().await;
    let large = "x".repeat(16 << 20);
    let mut streams = Vec::new();
    for (method, body, seconds) in
        [("POST", "hello", 30), ("POST", large.as_str(), 30), ("POST", "", 30), ("DELETE", "", 10), ("GET", "", 100)]
    {
        // Node b does not know its owner yet.
        let token = a.negotiate("").await;
        match method {
            "POST" => streams.push(a.events(&token).await),
            _ => assert_eq!(a.ask("GET", &token).await.status, 200),
        }
        a.store.shared().join(&a.name, &address.to_string());
        let length = body.len();
        let head =
            format!("{method} /echo?id={token} HTTP/1.1\r\nHost: h\r\nuser: ann\r\nContent-Length: {length}\r\n\r\n");
        let (mut from, mut to) = b.running.open(head).await.into_split();
        // The owner takes the head, and nothing else.
        let _hanging = loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            // Another connection may have been opened for the request before, and not used.
            if takes_a_head(&mut socket).await {
                break socket;
            }
        };
        let body = body.to_owned();
        let sending = tokio::spawn(async move {
            drop(to.write_all(body.as_bytes()).await);
            // A client that ends its half of the connection has left.
            std::future::pending::<()>().await;
        });
        let mut passed = 0;
        while tokio::time::timeout(Duration::from_millis(20), from.peek(&mut [0])).await.is_err() {
            pass(Duration::from_secs(1)).await;
            passed += 1;
            assert!(passed < 200, "{method} of {length} bytes is not answered");
        }
        assert!((seconds - 5..seconds + 10).contains(&passed), "{method} of {length} bytes: after {passed} s");
        assert_eq!(answer(&mut from).await.status, 502, "{method} of {length} bytes");
        sending.abort();
        a.store.shared().join(&a.name, &a.address);
        let (own, other) = (a.post(&token, "x").await, b.post(&token, "x").await);
        assert_eq!(own, other, "the next request reaches the owner");
        // A client that does not poll has left by then.
        assert!(own.status == 200 || method == "GET", "{method} of {length} bytes");
    }
    assert_eq!(b.counts.forward_failures(), [(a.name.clone(), 5)]);
}

#[tokio::test]
async fn a_node_that_does_not_answer_is_a_bad_gateway() {
    let [a, b] = two_nodes().await;
    let token = a.negotiate("").await;
    assert_eq!(a.ask("GET", &token).await.status, 200);
    // Nothing listens at this address any more.
    let (gone, address) = listen().await;
    drop(gone);
    a.store.shared().join(&a.name, &address.to_string());
    assert_eq!(b.post(&token, "x").await.status, 502);
    assert_eq!(b.counts.forward_failures(), [(a.name.clone(), 1)]);
    // Another program listens there, or the node listens there for clients.
    a.store.shared().join(&a.name, &a.running.address.to_string());
    assert_eq!(b.post(&token, "x").await.status, 502);
    assert_eq!(b.counts.forward_failures(), [(a.name.clone(), 2)]);
    a.store.shared().join(&a.name, &a.address);
    assert_eq!(b.post(&token, "x").await.status, 200, "the failure was not remembered");
    a.store.shared().leave(&a.name);
    let other = a.negotiate("").await;
    assert_eq!(a.ask("GET", &other).await.status, 200);
    assert_eq!(b.post(&other, "x").await.status, 404, "the owner is not present");
}

#[tokio::test]
async fn an_owner_that_dies_in_the_middle_of_an_answer_breaks_it_off() {
    let [a, b] = two_nodes().await;
    let (listener, address) = listen().await;
    let token = a.negotiate("").await;
    assert_eq!(a.ask("GET", &token).await.status, 200);
    a.store.shared().join(&a.name, &address.to_string());
    let owner = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        read_until(&mut socket, "\r\n\r\n").await;
        let head = "HTTP/1.1 200 OK\r\nsignalhub-forwarded: accepted\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n";
        socket.write_all(head.as_bytes()).await.unwrap();
    });
    let request = format!("GET /echo?id={token} HTTP/1.1\r\nHost: h\r\nuser: ann\r\n\r\n");
    let mut socket = b.running.open(request).await;
    assert_eq!(answer(&mut socket).await.status, 200);
    owner.await.unwrap();
    assert!(!closed(&mut socket).await.ends_with("0\r\n\r\n"), "the client can tell that something is missing");
}

#[tokio::test]
async fn the_owner_learns_that_the_client_of_a_forwarded_request_has_left() {
    let [a, b] = two_nodes().await;
    let token = a.negotiate("").await;
    assert_eq!(a.ask("GET", &token).await.status, 200);
    let (listener, address) = listen().await;
    b.store.shared().join(&a.name, &address.to_string());
    for head in ["", "HTTP/1.1 200 OK\r\nsignalhub-forwarded: accepted\r\nTransfer-Encoding: chunked\r\n\r\n"] {
        let request = format!("GET /echo?id={token} HTTP/1.1\r\nHost: h\r\nuser: ann\r\n\r\n");
        let mut client = b.running.open(request).await;
        let (mut owner, _) = listener.accept().await.unwrap();
        read_until(&mut owner, "\r\n\r\n").await;
        owner.write_all(head.as_bytes()).await.unwrap();
        if !head.is_empty() {
            assert_eq!(answer(&mut client).await.status, 200);
        }
        drop(client);
        assert_eq!(closed(&mut owner).await, "", "a poll without a client must not take messages: {head}");
    }
}

#[tokio::test]
async fn a_node_that_stops_breaks_off_the_polls_that_it_forwards() {
    let [a, b] = two_nodes().await;
    let (listener, address) = listen().await;
    let token = a.negotiate("").await;
    assert_eq!(a.ask("GET", &token).await.status, 200);
    a.store.shared().join(&a.name, &address.to_string());
    let request = format!("GET /echo?id={token} HTTP/1.1\r\nHost: h\r\nuser: ann\r\n\r\n");
    let mut poll = b.running.open(request).await;
    let (mut owner, _) = listener.accept().await.unwrap();
    read_until(&mut owner, "\r\n\r\n").await;
    let ClusterNode { running: Running { stop, stopped, .. }, .. } = b;
    stop.send(()).unwrap();
    let poll = answer(&mut poll).await;
    assert_eq!((poll.status, poll.body.as_str()), (503, ""), "the owner may have taken messages for it");
    tokio::time::timeout(Duration::from_secs(4), stopped).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn a_node_that_stops_ends_the_web_sockets_that_it_forwards() {
    let [a, b] = two_nodes().await;
    let token = a.negotiate("&useStatefulReconnect=true").await;
    let (_, mut first) = a.upgrade(&token).await;
    echo(&mut first, "one").await;
    let (status, mut socket) = b.upgrade(&token).await;
    assert_eq!(status, 101);
    expect_text(&mut socket, "one").await;
    let ClusterNode { running: Running { stop, stopped, .. }, .. } = b;
    stop.send(()).unwrap();
    let mut rest = Vec::new();
    assert!(socket.read_to_end(&mut rest).await.is_err() || rest.is_empty());
    tokio::time::timeout(Duration::from_secs(4), stopped).await.unwrap().unwrap().unwrap();
    until(|| a.running.counts.suspended() == 1).await;
    let (status, mut socket) = a.upgrade(&token).await;
    assert_eq!(status, 101);
    expect_text(&mut socket, "one").await;
}
