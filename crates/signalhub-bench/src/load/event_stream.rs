//! An idle event stream: negotiated, opened, and its handshake done.

use std::io::{self, Write};
use std::net::TcpStream;

use super::peers::read_until;
use super::target::Hub;
use super::wire::Wire;

/// Opens one.
pub(crate) fn open(hub: &Hub) -> io::Result<Wire<TcpStream>> {
    let mut posts = Wire::connect(hub)?;
    let negotiated = ask(&mut posts, hub, "/negotiate?negotiateVersion=1", "", "}")?;
    let token = negotiated.split(r#""connectionToken":""#).nth(1).and_then(|rest| rest.split('"').next());
    let token = token.ok_or_else(|| io::Error::other(negotiated.clone()))?;
    let mut stream = Wire::connect(hub)?;
    let accept = format!(
        "GET {}?id={token} HTTP/1.1\r\nHost: h\r\n{}Accept: text/event-stream\r\n\r\n",
        hub.path, hub.authorization
    );
    stream.write_all(accept.as_bytes())?;
    read_until(&mut stream, ":\r\n\r\n")?;
    ask(&mut posts, hub, &format!("?id={token}"), "{\"protocol\":\"json\",\"version\":1}\u{1e}", "\r\n\r\n")?;
    read_until(&mut stream, "{}\u{1e}\r\n\r\n\r\n")?;
    Ok(stream)
}

fn ask(socket: &mut Wire<TcpStream>, hub: &Hub, rest: &str, body: &str, end: &str) -> io::Result<String> {
    let (path, length) = (hub.path, body.len());
    let request =
        format!("POST {path}{rest} HTTP/1.1\r\nHost: h\r\n{}Content-Length: {length}\r\n\r\n{body}", hub.authorization);
    socket.write_all(request.as_bytes())?;
    read_until(socket, end)
}
