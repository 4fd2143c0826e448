//! Event streams: negotiated, opened, and their handshake done.

use std::io::{self, Write};
use std::net::TcpStream;

use super::peers::read_until;
use super::target::Hub;
use super::wire::Wire;

/// Negotiates, and gives the connection token.
pub(crate) fn negotiate(posts: &mut Wire<TcpStream>, hub: &Hub) -> io::Result<String> {
    let negotiated = ask(posts, hub, "/negotiate?negotiateVersion=1", "", "}")?;
    let token = negotiated.split(r#""connectionToken":""#).nth(1).and_then(|rest| rest.split('"').next());
    token.map(str::to_owned).ok_or_else(|| io::Error::other(negotiated.clone()))
}

/// Opens one.
pub(crate) fn open(hub: &Hub) -> io::Result<Wire<TcpStream>> {
    open_with_token(hub).map(|(stream, _)| stream)
}

/// Opens one, and tells its connection token.
pub(crate) fn open_with_token(hub: &Hub) -> io::Result<(Wire<TcpStream>, String)> {
    let mut posts = Wire::connect(hub)?;
    let token = negotiate(&mut posts, hub)?;
    let mut stream = Wire::connect(hub)?;
    let accept = format!(
        "GET {}?id={token} HTTP/1.1\r\nHost: h\r\n{}Accept: text/event-stream\r\n\r\n",
        hub.path, hub.authorization
    );
    stream.write_all(accept.as_bytes())?;
    read_until(&mut stream, ":\r\n\r\n")?;
    send(&mut posts, hub, &token, "{\"protocol\":\"json\",\"version\":1}\u{1e}")?;
    read_until(&mut stream, "{}\u{1e}\r\n\r\n\r\n")?;
    Ok((stream, token))
}

/// Sends a message to the connection with this token, and reads the answer, which must be a success.
pub(crate) fn send(posts: &mut Wire<TcpStream>, hub: &Hub, token: &str, message: &str) -> io::Result<()> {
    let answer = ask(posts, hub, &format!("?id={token}"), message, "\r\n\r\n")?;
    if answer.starts_with("HTTP/1.1 2") { Ok(()) } else { Err(io::Error::other(answer)) }
}

fn ask(socket: &mut Wire<TcpStream>, hub: &Hub, rest: &str, body: &str, end: &str) -> io::Result<String> {
    let (path, length) = (hub.path, body.len());
    let request =
        format!("POST {path}{rest} HTTP/1.1\r\nHost: h\r\n{}Content-Length: {length}\r\n\r\n{body}", hub.authorization);
    socket.write_all(request.as_bytes())?;
    read_until(socket, end)
}
