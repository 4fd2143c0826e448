use std::net::{TcpListener, TcpStream as Blocking};

use super::*;
use crate::load::frames::of_server;

/// What a server sends, in the order of a connection's stages.
fn conversation() -> Vec<u8> {
    let records = [
        "{}",
        r#"{"type":3,"invocationId":"1","result":null}"#,
        r#"{"type":6}"#,
        r#"{"type":1,"target":"OnEvent","arguments":[1]}"#,
        r#"{"type":3,"invocationId":"1","result":null}"#,
    ];
    let mut bytes = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n".to_vec();
    records.iter().for_each(|record| bytes.extend(of_server(record.as_bytes())));
    bytes
}

fn connection() -> (Connection, Blocking) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let socket = Blocking::connect(listener.local_addr().unwrap()).unwrap();
    socket.set_nonblocking(true).unwrap();
    let connection = Connection::open(TcpStream::from_std(socket), b"upgrade").unwrap();
    (connection, listener.accept().unwrap().0)
}

fn frames() -> Frames {
    Frames { handshake: b"handshake".to_vec(), subscribe: b"subscribe".to_vec() }
}

#[test]
fn a_connection_is_subscribed_step_by_step_however_its_bytes_are_cut() {
    let bytes = conversation();
    for size in [1, 7, bytes.len()] {
        let (mut connection, mut peer) = connection();
        let mut seen = Vec::new();
        for piece in bytes.chunks(size) {
            connection.take(piece, &frames(), &mut |_, incoming| seen.push(incoming)).unwrap();
        }
        use Incoming::{Completion, Event, Ping, Subscribed};
        assert_eq!(seen, [Subscribed, Ping, Event, Completion], "in pieces of {size}");
        assert!(connection.is_subscribed() && connection.rest.is_empty());
        drop(connection);
        let mut sent = String::new();
        peer.read_to_string(&mut sent).unwrap();
        assert_eq!(sent, "upgradehandshakesubscribe");
    }
}

#[test]
fn a_refusal_ends_a_connection() {
    let check = |bytes: &[u8], wanted: &str| {
        let (mut connection, _peer) = connection();
        let error = connection.take(bytes, &frames(), &mut |_, _| ()).unwrap_err().to_string();
        assert!(error.contains(wanted), "{error}");
    };
    check(b"HTTP/1.1 503 Service Unavailable\r\n\r\n", "HTTP/1.1 503");
    let upgraded = b"HTTP/1.1 101 Switching Protocols\r\n\r\n";
    check(&[upgraded, of_server(br#"{"error":"no"}"#).as_slice()].concat(), r#"unexpected: {"error":"no"}"#);
    check(&[upgraded.as_slice(), b"\x88\x02\x03\xe8"].concat(), "closed the connection");
    check(&[upgraded.as_slice(), b"\x01\x02{}"].concat(), "begins with the byte 0x1");
    let failed = of_server(br#"{"type":3,"invocationId":"1","error":"no"}"#);
    check(&[upgraded, of_server(b"{}").as_slice(), &failed].concat(), "unexpected");
}
