//! What a WebSocket carries around close frames (RFC 6455, 5.5.1).

use crate::common::{Running, configuration};
use signalhub_server::HUB_PATH;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const HANDSHAKE: &[u8] = b"{\"protocol\":\"json\",\"version\":1}\x1e";

/// A short frame of a client, masked with zeros.
fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    [&[0x80 | opcode, 0x80 | u8::try_from(payload.len()).unwrap(), 0, 0, 0, 0], payload].concat()
}

/// What the server sends on a new WebSocket after the handshakes, when the client sends these bytes at once, until its close frame
/// and what follows.
async fn answer(node: &Running, sent: &[u8]) -> Vec<u8> {
    let address = node.url.strip_prefix("http://").unwrap();
    let mut socket = TcpStream::connect(address).await.unwrap();
    let request = format!(
        "GET {HUB_PATH}?access_token={} HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        node.token(|_| ())
    );
    socket.write_all(&[request.as_bytes(), &frame(1, HANDSHAKE)].concat()).await.unwrap();
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"{}\x1e") {
        assert!(socket.read_buf(&mut bytes).await.unwrap() > 0, "{}", bytes.escape_ascii());
    }
    bytes.clear();
    socket.write_all(sent).await.unwrap();
    socket.read_to_end(&mut bytes).await.unwrap();
    bytes
}

#[tokio::test]
async fn no_data_follows_the_close_frame_of_the_server() {
    let node = Running::start(configuration("")).await;
    let close = frame(8, &1000_u16.to_be_bytes());
    let normal = [0x88, 2, 3, 232];
    for (sent, expected) in [
        (close.clone(), &normal[..]),
        ([frame(1, b"{\"type\":7}\x1e"), close.clone()].concat(), &normal),
        ([frame(1, b"{\"type\":7,\"error\":\"x\"}\x1e"), close.clone()].concat(), &normal),
        ([frame(1, b"[]\x1e"), close.clone()].concat(), &normal),
        ([frame(1, b"{\"type\":6}\x1e"), close].concat(), &normal),
        ([frame(1, b"{\"type\":7}\x1e"), frame(1, b"\xff")].concat(), &[0x88, 2, 3, 239]),
        (frame(1, b"\xff"), &[0x88, 2, 3, 239]),
        (frame(3, b""), &[0x88, 2, 3, 234]),
    ] {
        let answered = answer(&node, &sent).await;
        assert_eq!(answered.escape_ascii().to_string(), expected.escape_ascii().to_string(), "{}", sent.escape_ascii());
    }
    node.stop().await;
}
