//! Bad and good inputs in a row: nothing of them stays, and no other client notices.

use std::time::Duration;

use crate::common::{Running, configuration, send};
use http::Request;
use http_body_util::Full;
use serde_json::json;
use signalhub_client::Client;
use signalhub_server::HUB_PATH;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

const EVENT: &str = "portos.licence.activated";
const HANDSHAKE: &str = "{\"protocol\":\"json\",\"version\":1}\u{1e}";
const SUBSCRIBE: &str = concat!(
    r#"{"type":1,"invocationId":"1","target":"Subscribe","arguments":[{"e":"portos.licence.activated"}]}"#,
    "\u{1e}"
);

/// A WebSocket as bytes, so that its frames can be wrong.
struct WebSocket(TcpStream);

impl WebSocket {
    async fn open(node: &Running) -> Self {
        let mut socket = TcpStream::connect(node.url.trim_start_matches("http://")).await.unwrap();
        let token = node.token(|_| ());
        let head = format!(
            "GET {HUB_PATH} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             Authorization: Bearer {token}\r\n\r\n"
        );
        socket.write_all(head.as_bytes()).await.unwrap();
        let mut this = Self(socket);
        this.until("\r\n\r\n").await;
        this
    }

    /// Sends bytes; the server may have gone already.
    async fn send(&mut self, bytes: &[u8]) {
        let _ = self.0.write_all(bytes).await;
    }

    /// Reads until a text has come.
    async fn until(&mut self, text: &str) {
        let mut come = Vec::new();
        while !String::from_utf8_lossy(&come).contains(text) {
            assert_ne!(self.0.read_buf(&mut come).await.unwrap(), 0, "{}", String::from_utf8_lossy(&come));
        }
    }

    /// Reads until the server sends a Close frame (RFC 6455, 5.5.1) or ends the connection.
    async fn ended(mut self) {
        // A server that leaves input unread resets the socket.
        while let Ok(opcode) = self.skip_frame().await {
            if opcode == 0x8 {
                break;
            }
        }
    }

    /// Reads a frame and gives its opcode.
    async fn skip_frame(&mut self) -> std::io::Result<u8> {
        let first = self.0.read_u8().await?;
        let length = match self.0.read_u8().await? {
            126 => u64::from(self.0.read_u16().await?),
            127 => self.0.read_u64().await?,
            length => u64::from(length),
        };
        tokio::io::copy(&mut (&mut self.0).take(length), &mut tokio::io::sink()).await?;
        Ok(first & 0x0f)
    }
}

/// A whole frame of a client, masked with zeros (RFC 6455, 5.2).
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first, 0xff];
    frame.extend((payload.len() as u64).to_be_bytes());
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

fn text(payload: &str) -> Vec<u8> {
    frame(0x81, payload.as_bytes())
}

/// Sends one input, after the handshake and a subscription or before them, and waits until it has had its effect.
async fn check(node: &Running, phase: &str, input: &[u8], effect: &str) {
    let mut socket = WebSocket::open(node).await;
    if phase == "subscribed" {
        socket.send(&text(HANDSHAKE)).await;
        socket.send(&text(SUBSCRIBE)).await;
        socket.until(r#""type":3"#).await;
    }
    socket.send(input).await;
    match effect {
        "" => socket.ended().await,
        // The connection outlives the input, and ends when the client goes without a word.
        answer => socket.until(answer).await,
    }
}

/// Sends a bad message by long polling; whatever is answered, the connection ends.
async fn check_polling(node: &Running, input: &str) {
    let request = |method: &str, url: &str, body: &str| {
        let request = Request::builder().method(method).uri(url);
        let request = request.header("Authorization", format!("Bearer {}", node.token(|_| ())));
        send(request.body(Full::from(body.to_owned())).unwrap())
    };
    let negotiated = request("POST", &format!("{}/negotiate?negotiateVersion=1", node.hub()), "").await.body;
    let url = format!("{}?id={}", node.hub(), negotiated["connectionToken"].as_str().unwrap());
    assert_eq!(request("GET", &url, "").await.status, 200);
    request("POST", &url, &format!("{HANDSHAKE}{SUBSCRIBE}")).await;
    request("POST", &url, input).await;
    while request("GET", &url, "").await.status == 200 {}
}

#[tokio::test]
async fn bad_inputs_leave_nothing_behind_and_disturb_no_other_client() {
    let node = Running::start(configuration("")).await;
    let witness = Client::connect(&node.hub(), Some(&node.token(|_| ()))).await.unwrap();
    witness.invoke::<()>("Subscribe", (json!({ "e": EVENT }),)).await.unwrap();
    let call = |target: &str, arguments: &str| {
        format!("{{\"type\":1,\"invocationId\":\"2\",\"target\":\"{target}\",\"arguments\":{arguments}}}\u{1e}")
    };
    let rows: &[(&str, Vec<u8>, &str)] = &[
        (
            "subscribed",
            text(&format!("{{\"type\":6}}\u{1e}{}", call("Unsubscribe", &format!("[{{\"e\":\"{EVENT}\"}}]")))),
            "\"invocationId\":\"2\"",
        ),
        ("subscribed", text(&call("Unknown", "[]")), "\"error\""),
        ("subscribed", text(&call("Subscribe", "[7]")), "\"error\""),
        ("subscribed", text(&call("Subscribe", "[]")), "\"error\""),
        ("subscribed", text("{\u{1e}"), ""),
        ("subscribed", text("\u{1e}"), ""),
        ("subscribed", text("[]\u{1e}"), ""),
        ("subscribed", text("{\"type\":\"one\"}\u{1e}"), ""),
        ("subscribed", frame(0x82, b"{\"type\":1,\"target\":\"\xff\",\"arguments\":[]}\x1e"), ""),
        ("subscribed", frame(0x81, b"\xff\xfe\x1e"), ""),
        ("subscribed", text(&call(&"x".repeat(40_000), "[]")), ""),
        ("subscribed", text(&"x".repeat(40_000)), ""),
        ("subscribed", vec![0x81, 0x01, b'x'], ""),
        ("subscribed", frame(0x83, b"x"), ""),
        ("subscribed", frame(0xf1, b"x"), ""),
        ("subscribed", frame(0x80, b"x"), ""),
        ("subscribed", frame(0x89, &[0; 200]), ""),
        ("subscribed", [&[0x81, 0xff][..], &[0xff; 12][..]].concat(), ""),
        ("subscribed", frame(0x88, b"x"), ""),
        ("opened", text("{}\u{1e}"), ""),
        ("opened", text("nonsense\u{1e}"), ""),
        ("opened", text("{\"protocol\":\"xml\",\"version\":1}\u{1e}"), ""),
        ("opened", frame(0x82, b"\xff\xff\x1e"), ""),
        ("opened", vec![0x81, 0x01, b'x'], ""),
    ];
    let one = format!(r#"{{"e":"{EVENT}","p":{{}}}}"#);
    for (phase, input, effect) in rows {
        let shown = String::from_utf8_lossy(&input[..input.len().min(80)]).into_owned();
        let checked = timeout(Duration::from_secs(10), check(&node, phase, input, effect)).await;
        assert!(checked.is_ok(), "{phase}: {shown}");
        assert_eq!(node.publish(&one).await.status, 202);
        assert_eq!(witness.next_invocation().await.unwrap().target, "OnEvent", "{phase}: {shown}");
    }
    for input in ["{\u{1e}", "[]\u{1e}", &"x".repeat(40_000)] {
        timeout(Duration::from_secs(10), check_polling(&node, input)).await.expect("the connection ends");
    }
    witness.invoke::<()>("Subscribe", (json!({ "e": EVENT, "r": null }),)).await.unwrap();
    assert!(node.counts.connections().active() > 0 && node.counts.subscriptions() > 0);
    witness.close().await;
    let nothing = async {
        node.counts.connections().emptied().await;
        while node.counts.subscriptions() > 0 {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(10), nothing).await.expect("connections and subscriptions end");
    assert_eq!((node.counts.connections().active(), node.counts.connections().waiting()), (0, 0));
    node.stop().await;
}
