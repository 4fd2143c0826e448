//! Every transport, with each request at any node.

use super::*;

/// Every pair of nodes, by index.
const PAIRS: [(usize, usize); 4] = [(0, 0), (0, 1), (1, 0), (1, 1)];

#[tokio::test]
async fn a_web_socket_opens_at_any_node() {
    let nodes = two_nodes().await;
    for (negotiates, connects) in PAIRS {
        let token = nodes[negotiates].negotiate("").await;
        let (status, mut socket) = nodes[connects].upgrade(&token).await;
        assert_eq!(status, 101, "{negotiates} {connects}");
        echo(&mut socket, "hello").await;
    }
    for node in &nodes {
        assert!(node.forwards().is_empty(), "WebSockets are not forwarded");
    }
}

#[tokio::test]
async fn negotiate_version_0_works_at_any_node() {
    let nodes = two_nodes().await;
    for (negotiates, connects) in PAIRS {
        let answer = nodes[negotiates].running.ask("POST /echo/negotiate", &[("user", "ann")]).await;
        let body: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        let token = body["connectionId"].as_str().unwrap();
        assert_eq!((token.len(), body.get("connectionToken")), (51, None));
        let (status, mut socket) = nodes[connects].upgrade(token).await;
        assert_eq!(status, 101);
        echo(&mut socket, "hello").await;
    }
}

#[tokio::test]
async fn the_token_has_51_characters_and_the_id_22() {
    let [node, _] = two_nodes().await;
    let line = "POST /echo/negotiate?negotiateVersion=1";
    let answer = node.running.ask(line, &[("user", "ann")]).await;
    let body: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(body["connectionToken"].as_str().unwrap().len(), 51);
    assert_eq!(body["connectionId"].as_str().unwrap().len(), 22);
}

#[tokio::test]
async fn an_event_stream_takes_posts_at_any_node() {
    let nodes = two_nodes().await;
    for (connects, posts) in PAIRS {
        let token = nodes[1 - connects].negotiate("").await;
        let mut events = nodes[connects].events(&token).await;
        assert_eq!(nodes[posts].post(&token, "hello").await.status, 200, "{connects} {posts}");
        assert_eq!(read_until(&mut events, "\r\n\r\n\r\n").await, "F\r\ndata: hello\r\n\r\n\r\n");
        assert_eq!(nodes[posts].post(&token, "bye").await.status, 200);
        read_until(&mut events, "0\r\n\r\n").await;
        nodes[connects].running.counts.emptied().await;
    }
    assert_eq!(nodes[0].forwards(), [("send", 2)]);
    assert_eq!(nodes[1].forwards(), [("send", 2)]);
    assert_eq!(nodes[0].store.shared().owned(), 0, "no claim is left");
}

#[tokio::test]
async fn polls_posts_and_deletes_go_to_any_node() {
    let nodes = two_nodes().await;
    for (opens, asks) in PAIRS {
        let token = nodes[asks].negotiate("").await;
        assert_eq!(nodes[opens].ask("GET", &token).await.status, 200);
        for text in ["one", "two"] {
            assert_eq!(nodes[asks].post(&token, text).await.status, 200, "{opens} {asks}");
            let poll = nodes[1 - opens].ask("GET", &token).await;
            assert_eq!((poll.status, poll.body.as_str()), (200, text));
            assert_eq!(poll.header("content-type"), Some("application/octet-stream"));
            assert_eq!(poll.header("cache-control"), Some("no-cache, no-store"));
        }
        assert_eq!(nodes[asks].ask("DELETE", &token).await.status, 202);
        nodes[opens].running.counts.emptied().await;
        for node in &nodes {
            for method in ["GET", "POST", "DELETE"] {
                assert_eq!(node.ask(method, &token).await.status, 404, "{method} after the end");
            }
        }
    }
    assert_eq!(nodes[0].store.shared().owned(), 0, "no claim is left");
    assert_eq!((nodes[0].counts.claims(), nodes[1].counts.claims()), (0, 0));
}

#[tokio::test]
async fn a_large_body_is_forwarded_as_it_comes() {
    let [a, b] = two_nodes().await;
    let token = a.negotiate("").await;
    assert_eq!(a.ask("GET", &token).await.status, 200);
    // Larger than the inbox of a connection, so the owner holds it up until the handler has read a part of it.
    let body = "x".repeat(3 << 20);
    let post = tokio::spawn({
        let length = body.len();
        let request =
            format!("POST /echo?id={token} HTTP/1.1\r\nHost: h\r\nuser: ann\r\nContent-Length: {length}\r\n\r\n{body}");
        let mut socket = b.running.open("").await;
        async move {
            socket.write_all(request.as_bytes()).await.unwrap();
            answer(&mut socket).await.status
        }
    });
    let mut received = 0;
    while received < body.len() {
        let poll = b.ask("GET", &token).await;
        assert_eq!(poll.status, 200);
        received += poll.body.len();
    }
    assert_eq!((post.await.unwrap(), received), (200, body.len()));
}

#[tokio::test]
async fn a_body_in_chunks_is_forwarded() {
    let [a, b] = two_nodes().await;
    let token = a.negotiate("").await;
    assert_eq!(a.ask("GET", &token).await.status, 200);
    let head = format!("POST /echo?id={token} HTTP/1.1\r\nHost: h\r\nuser: ann\r\nTransfer-Encoding: chunked\r\n\r\n");
    let mut socket = b.running.open(head + "2\r\nab\r\n").await;
    assert_eq!(b.ask("GET", &token).await.body, "ab", "the first chunk does not wait for the second");
    socket.write_all(b"1\r\nc\r\n0\r\n\r\n").await.unwrap();
    assert_eq!(answer(&mut socket).await.status, 200);
    assert_eq!(b.ask("GET", &token).await.body, "c");
}

#[tokio::test]
async fn a_connection_is_resumed_at_another_node() {
    let [a, b] = two_nodes().await;
    let token = b.negotiate("&useStatefulReconnect=true").await;
    let (status, mut socket) = a.upgrade(&token).await;
    assert_eq!(status, 101);
    echo(&mut socket, "one").await;
    socket.set_zero_linger().unwrap();
    drop(socket);
    until(|| a.running.counts.suspended() == 1).await;
    for round in 0..3 {
        let (status, mut socket) = b.upgrade(&token).await;
        assert_eq!(status, 101, "{round}");
        for kept in 0..=round {
            expect_text(&mut socket, ["one", "two", "two"][kept]).await;
        }
        echo(&mut socket, "two").await;
        socket.set_zero_linger().unwrap();
        drop(socket);
        until(|| a.running.counts.suspended() == 1).await;
    }
    assert_eq!((a.running.counts.resumed(), a.running.counts.active(), b.running.counts.active()), (3, 1, 0));
    assert_eq!(b.forwards(), [("socket", 3)]);
}

#[tokio::test]
async fn the_close_of_a_resumed_connection_reaches_the_owner_and_the_client() {
    let [mut a, b] = two_nodes().await;
    let token = a.negotiate("&useStatefulReconnect=true").await;
    let (_, first) = a.upgrade(&token).await;
    let (status, mut socket) = b.upgrade(&token).await;
    assert_eq!(status, 101);
    echo(&mut socket, "here").await;
    drop(first);
    socket.write_all(&[0x88, 0x82, 0, 0, 0, 0, 0x03, 0xE8]).await.unwrap();
    assert_eq!(a.running.ended.recv().await, Some(CloseReason::ClientClosed));
    let mut rest = Vec::new();
    socket.read_to_end(&mut rest).await.unwrap();
    assert_eq!(rest, [0x88, 2, 0x03, 0xE8]);
}

#[tokio::test]
async fn another_node_refuses_as_the_owner_does() {
    let [a, b] = two_nodes().await;
    let (events, polls, socket) = (a.negotiate("").await, a.negotiate("").await, a.negotiate("").await);
    let _events = a.events(&events).await;
    assert_eq!(a.ask("GET", &polls).await.status, 200);
    let (_, _socket) = a.upgrade(&socket).await;
    for (token, method, status) in [
        (&events, "GET", 400),
        (&events, "DELETE", 400),
        (&events, "PUT", 405),
        (&polls, "PUT", 405),
        (&socket, "GET", 400),
        (&socket, "POST", 405),
        (&socket, "DELETE", 400),
    ] {
        let (own, other) = (a.ask(method, token).await, b.ask(method, token).await);
        assert_eq!((own.status, &own), (status, &other), "{method}");
    }
    for (token, status) in [(&events, 400), (&polls, 400), (&socket, 409)] {
        assert_eq!((a.upgrade(token).await.0, b.upgrade(token).await.0), (status, status));
    }
}

#[tokio::test]
async fn negotiations_take_no_memory() {
    let shared = Arc::default();
    let limits = Limits::default().pending_negotiations(1).connections(1);
    let node = ClusterNode::start(&shared, "a", Options { limits, ..Options::default() }).await;
    let asked = node.store.asked.load(std::sync::atomic::Ordering::Relaxed);
    let tokens = [node.negotiate("").await, node.negotiate("").await, node.negotiate("").await];
    assert_eq!((node.running.counts.waiting(), node.store.shared().owned()), (0, 0));
    assert_eq!(node.store.asked.load(std::sync::atomic::Ordering::Relaxed), asked);
    let (status, _socket) = node.upgrade(&tokens[2]).await;
    assert_eq!(status, 101);
    // The limit of connections holds, for negotiations as well as for connections.
    let (status, _) = node.upgrade(&tokens[1]).await;
    assert_eq!(status, 503);
    let line = "POST /echo/negotiate?negotiateVersion=1";
    assert_eq!(node.running.ask(line, &[("user", "ann")]).await.status, 503);
    assert_eq!(node.store.shared().owned(), 1, "the refused connection is not claimed");
}

#[tokio::test]
async fn the_owner_sees_the_client_and_not_the_node_that_forwards() {
    let shared = Arc::default();
    let options = || Options {
        endpoint: |endpoint| {
            endpoint.identify(Named).response_headers(|request, headers| {
                let address = request.extensions.get::<RemoteAddress>().unwrap().to_string();
                headers.insert("x-seen", format!("{address} {}", base_url(request).unwrap()).parse().unwrap());
            })
        },
        server: |server| {
            server.trusted_proxies(TrustedProxies::none().trust("127.0.0.1").unwrap()).origins(Origins::same())
        },
        ..Options::default()
    };
    let a = ClusterNode::start(&shared, "a", options()).await;
    let b = ClusterNode::start(&shared, "b", options()).await;
    let token = a.negotiate("").await;
    assert_eq!(a.ask("GET", &token).await.status, 200);
    let headers = [
        ("user", "ann"),
        ("x-forwarded-for", "192.0.2.7"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "example.com"),
    ];
    let answer = b.running.ask(&format!("POST /echo?id={token}"), &headers).await;
    assert_eq!((answer.status, answer.header("x-seen")), (200, Some("192.0.2.7 https://example.com")));
    let times = |name: &str| answer.head.iter().filter(|line| line.starts_with(name)).count();
    assert_eq!((times("x-seen:"), times("vary:"), b.forwards()), (1, 1, vec![("send", 1)]));
}

#[tokio::test]
async fn secrets_are_replaced_one_node_after_another() {
    let shared = Arc::default();
    let (old, new) = ([1; 32], [2; 32]);
    let with = |secrets| Options { secrets, ..Options::default() };
    let a = ClusterNode::start(&shared, "a", with(vec![old, new])).await;
    let b = ClusterNode::start(&shared, "b", with(vec![new, old])).await;
    for (first, second) in [(&a, &b), (&b, &a)] {
        let token = first.negotiate("").await;
        let _events = second.events(&token).await;
        assert_eq!(first.post(&token, "hello").await.status, 200);
    }
}
