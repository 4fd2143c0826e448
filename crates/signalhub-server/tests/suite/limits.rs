//! Each limit that can be configured, seen from outside.

use crate::common::{Answer, Running, configuration, send};
use http::Request;
use http_body_util::Full;
use serde_json::json;
use signalhub_client::{Client, InvokeError};
use signalhub_server::{Development, HUB_PATH};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Negotiates as a user, perhaps `user@organisation`, with one more header.
async fn negotiate(node: &Running, user: &str, header: (&str, &str)) -> Answer {
    let (name, organisation) = user.split_once('@').map_or((user, None), |(name, of)| (name, Some(of.to_owned())));
    let token = node.token(|token| {
        token.user = name.to_owned();
        token.organisation = organisation;
    });
    let request = Request::post(format!("{}/negotiate?negotiateVersion=1", node.hub()))
        .header("Authorization", format!("Bearer {token}"))
        .header(header.0, header.1);
    send(request.body(Full::default()).unwrap()).await
}

/// Opens a socket, sends something and gives all that comes until the server closes it.
async fn exchange(node: &Running, text: &str) -> String {
    let mut socket = TcpStream::connect(node.url.trim_start_matches("http://")).await.unwrap();
    // The server may have closed it already.
    let _ = socket.write_all(text.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = socket.read_to_end(&mut answer).await;
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn beyond_each_limit_negotiations_are_refused() {
    const PROXY: &str = "[listen]\ntrusted_proxies = [\"127.0.0.0/8\"]";
    const FORWARDED: &str = "[listen]\ntrusted_proxies = [\"127.0.0.1\"]\nforwarded_header = \"forwarded\"";
    type Row<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str, &'a str, u16)]);
    let rows: &[Row<'_>] = &[
        ("", "connections = 1", &[("ann", "x-a", "", 200), ("bob", "x-a", "", 200)]),
        ("", "pending_negotiations = 1", &[("ann", "x-a", "", 200), ("bob", "x-a", "", 503)]),
        ("", "connections_per_user = 1", &[("ann", "x-a", "", 200), ("ann", "x-a", "", 429), ("bob", "x-a", "", 200)]),
        (
            "",
            "connections_per_user = 1",
            &[
                ("ann@acme", "x-a", "", 200),
                ("ann@other", "x-a", "", 200),
                ("ann", "x-a", "", 200),
                ("ann@acme", "x-a", "", 429),
            ],
        ),
        (
            "",
            "pending_negotiations = 8",
            &[
                ("ann", "x-a", "", 200),
                ("ann", "x-a", "", 200),
                ("ann", "x-a", "", 429),
                ("ann@acme", "x-a", "", 200),
                ("bob", "x-a", "", 200),
                ("cid", "x-a", "", 429),
            ],
        ),
        (
            "",
            "pending_negotiations_per_user = 1",
            &[("ann", "x-a", "", 200), ("ann", "x-a", "", 429), ("ann@acme", "x-a", "", 200)],
        ),
        (
            PROXY,
            "pending_negotiations_per_address = 1",
            &[
                ("ann", "x-forwarded-for", "2001:db8::1", 200),
                ("bob", "x-forwarded-for", "2001:db8::2", 429),
                ("bob", "x-forwarded-for", "2001:db8:0:1::2", 200),
            ],
        ),
        (
            "",
            "connections_per_address = 1",
            &[("ann", "x-forwarded-for", "10.0.0.1", 200), ("ann", "x-forwarded-for", "10.0.0.2", 429)],
        ),
        (
            PROXY,
            "connections_per_address = 1",
            &[
                ("ann", "x-forwarded-for", "10.0.0.1", 200),
                ("ann", "x-forwarded-for", "10.0.0.2", 200),
                ("ann", "x-forwarded-for", "10.0.0.2", 429),
            ],
        ),
        (
            FORWARDED,
            "connections_per_address = 1",
            &[
                ("ann", "forwarded", "for=10.0.0.1", 200),
                ("ann", "forwarded", "for=10.0.0.2", 200),
                ("ann", "forwarded", "for=10.0.0.2", 429),
            ],
        ),
    ];
    for (listen, limits, requests) in rows {
        let mut settings = configuration("");
        settings.read_toml("test", &format!("[limits]\n{limits}\n{listen}")).unwrap();
        let node = Running::start(settings).await;
        for (user, name, value, status) in *requests {
            let answer = negotiate(&node, user, (name, value)).await;
            assert_eq!(answer.status, *status, "{limits}: {user} {value}");
            assert_eq!(answer.header("retry-after").is_empty(), *status == 200, "{limits}: {user} {value}");
        }
        node.stop().await;
    }
}

#[tokio::test]
async fn beyond_the_limit_of_connections_no_client_connects() {
    let node = Running::start(configuration("[limits]\nconnections = 1")).await;
    let client = Client::connect(&node.hub(), Some(&node.token(|_| ()))).await.unwrap();
    assert!(Client::connect(&node.hub(), Some(&node.token(|_| ()))).await.is_err());
    assert_eq!((node.counts.connections().active(), node.counts.refusals().connections.connections), (1, 1));
    client.close().await;
    node.stop().await;
}

#[tokio::test]
async fn subscriptions_and_calls_of_a_connection_are_limited() {
    for limits in ["subscriptions_per_connection = 1", "invocation_rate = \"1/s\""] {
        let node = Running::start(configuration(&format!("[limits]\n{limits}"))).await;
        let client = Client::connect(&node.hub(), Some(&node.token(|_| ()))).await.unwrap();
        let subscribe = async |event: &str| client.invoke::<()>("Subscribe", (json!({ "e": event }),)).await;
        subscribe("portos.licence.activated").await.unwrap();
        let refused = subscribe("portos.resources.changed").await;
        assert!(matches!(refused, Err(InvokeError::Hub(_))), "{limits}: {refused:?}");
        let counted = node.counts.refusals().hub;
        assert_eq!((counted.subscriptions + counted.invocations, node.counts.subscriptions()), (1, 1), "{limits}");
        node.stop().await;
    }
}

#[tokio::test]
async fn a_negotiated_connection_expires() {
    let node = Running::start(configuration("[limits]\nnegotiation_lifetime = \"1ms\"")).await;
    let token = negotiate(&node, "ann", ("x-a", "")).await.body["connectionToken"].as_str().unwrap().to_owned();
    loop {
        let request = Request::delete(format!("{}?id={token}", node.hub()))
            .header("Authorization", format!("Bearer {}", node.token(|_| ())));
        match send(request.body(Full::default()).unwrap()).await.status.as_u16() {
            404 => break,
            status => assert_eq!(status, 400),
        }
    }
    node.stop().await;
}

#[tokio::test]
async fn sockets_that_say_nothing_are_closed() {
    let node = Running::start(configuration("[limits]\nheader_timeout = \"50ms\"")).await;
    for text in ["", "GET /health HTTP/1.1\r\nHost: "] {
        assert_eq!(exchange(&node, text).await, "", "{text}");
    }
    node.stop().await;
    let node = Running::start(configuration("[limits]\nidle_timeout = \"50ms\"")).await;
    let answer = exchange(&node, "GET /health HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    node.stop().await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn without_free_file_descriptors_sockets_are_refused() {
    let node = Running::start(configuration("[limits]\nfile_descriptor_headroom = 1000000000")).await;
    let answer = exchange(&node, "").await;
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    node.stop().await;
}

/// Sends one request of a connection and gives its status.
async fn ask(node: &Running, method: &str, url: &str, body: &str) -> u16 {
    let request = Request::builder().method(method).uri(url);
    let request = request.header("Authorization", format!("Bearer {}", node.token(|_| ())));
    send(request.body(Full::from(body.to_owned())).unwrap()).await.status.as_u16()
}

#[tokio::test]
async fn a_client_that_does_not_read_is_closed_for_its_bytes_or_its_time() {
    for limits in [
        "transport_max_buffer_size = \"1KiB\"\ntransport_send_timeout = \"1h\"",
        "transport_max_buffer_size = \"1GiB\"\ntransport_send_timeout = \"100ms\"",
    ] {
        let node = Running::start(configuration(&format!("[hub]\n{limits}"))).await;
        let negotiated = negotiate(&node, "ann", ("x-a", "")).await.body;
        let path = format!("{HUB_PATH}?id={}", negotiated["connectionToken"].as_str().unwrap());
        let url = format!("{}{path}", node.url);
        let mut stuck = TcpStream::connect(node.url.trim_start_matches("http://")).await.unwrap();
        let head = format!("GET {path} HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n");
        let head = format!("{head}Authorization: Bearer {}\r\n\r\n", node.token(|_| ()));
        stuck.write_all(head.as_bytes()).await.unwrap();
        assert_eq!(ask(&node, "POST", &url, "{\"protocol\":\"json\",\"version\":1}\u{1e}").await, 200);
        let subscribe = r#"{"type":1,"target":"Subscribe","arguments":[{"e":"portos.licence.activated"}]}"#;
        assert_eq!(ask(&node, "POST", &url, &format!("{subscribe}\u{1e}")).await, 200);
        let event = |bytes| format!(r#"{{"e":"portos.licence.activated","p":{{"x":"{}"}}}}"#, "x".repeat(bytes));
        while node.publish(&event(1)).await.body["matched"] == 0 {}
        let mut published = 0;
        while node.publish(&event(500_000)).await.body["matched"] == 1 {
            published += 1;
            assert!(published < 1000, "{limits}");
        }
        drop(stuck);
        node.stop().await;
    }
}

#[tokio::test]
async fn a_poll_ends_after_its_time() {
    let node = Running::start(configuration("[hub]\npoll_timeout = \"50ms\"")).await;
    let negotiated = negotiate(&node, "ann", ("x-a", "")).await.body;
    let url = format!("{}?id={}", node.hub(), negotiated["connectionToken"].as_str().unwrap());
    // The first answer is empty, the second is the handshake's, and the third has nothing to say.
    assert_eq!(ask(&node, "GET", &url, "").await, 200);
    assert_eq!(ask(&node, "POST", &url, "{\"protocol\":\"json\",\"version\":1}\u{1e}").await, 200);
    for _ in 0..2 {
        assert_eq!(ask(&node, "GET", &url, "").await, 200);
    }
    assert_eq!(ask(&node, "DELETE", &url, "").await, 202);
    node.stop().await;
}

#[tokio::test]
async fn web_pages_of_configured_origins_may_use_the_hub() {
    const APP: &str = "https://app.example.com";
    const LOCAL: &str = "http://localhost:8080";
    let mut development = configuration("");
    development.auth.secret = None;
    Development::begin(&mut development).await.unwrap().unwrap();
    let rows = [
        (configuration(""), [false, false]),
        (configuration("[cors]\norigins = [\"https://app.example.com\"]"), [true, false]),
        (configuration("[cors]\nallow_loopback = true"), [false, true]),
        (development, [false, true]),
    ];
    for (settings, allowed) in rows {
        let node = Running::start(settings).await;
        for (origin, allowed) in [APP, LOCAL].into_iter().zip(allowed) {
            let preflight = Request::options(format!("{}/negotiate", node.hub()))
                .header("Origin", origin)
                .header("Access-Control-Request-Method", "POST")
                .header("Access-Control-Request-Headers", "authorization,x-requested-with,x-signalr-user-agent");
            let answer = send(preflight.body(Full::default()).unwrap()).await;
            let granted = answer.header("access-control-allow-origin");
            assert_eq!(granted, if allowed { origin } else { "" }, "{:?}", node.configuration.cors);
        }
        node.stop().await;
    }
}
