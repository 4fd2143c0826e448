//! Publishes over connections that stay open; the answers are read when there is time.

use std::io::{self, Read, Write};
use std::net::TcpStream;

use super::target::Hub;
use super::wire::Wire;

/// The event of all scenarios: about 350 bytes in the notification that comes of it.
pub(crate) const EVENT: &str = "portos.resources.changed";

/// An event that is never published.
pub(crate) const OTHER: &str = "portos.licence.activated";

/// Some connections to the publish API, each for one request at a time.
pub(crate) struct Publisher {
    sockets: Vec<Wire<TcpStream>>,
    request: Vec<u8>,
}

impl Publisher {
    /// Opens a connection for each publish of a burst; `padding` makes the payload longer.
    pub(crate) fn open(hub: &Hub, connections: usize, padding: usize) -> io::Result<Self> {
        let note = "x".repeat(120 + padding);
        let body = format!(
            r#"{{"e":"{EVENT}","p":{{"u":{{"u":"999","d":"BackOffice","f":null}},"n":"tickets","a":1,"i":{{"i":"573f4511088c772684a738f8","n":"tickets","v":7}},"r":[{{"note":"{note}"}}]}}}}"#
        );
        let request = format!(
            "POST {} HTTP/1.1\r\nHost: {}\r\n{}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            hub.publish_path,
            hub.address,
            hub.publish_header,
            body.len()
        );
        let sockets = (0..connections).map(|_| Wire::connect(hub)).collect::<io::Result<_>>()?;
        Ok(Self { sockets, request: request.into_bytes() })
    }

    /// Publishes one event on each connection.
    pub(crate) fn publish(&mut self) -> io::Result<()> {
        self.sockets.iter_mut().try_for_each(|socket| socket.write_all(&self.request))
    }

    /// Reads the answer on each connection.
    pub(crate) fn settle(&mut self) -> io::Result<()> {
        self.sockets.iter_mut().try_for_each(read_answer)
    }
}

fn read_answer(socket: &mut Wire<TcpStream>) -> io::Result<()> {
    let mut answer = Vec::new();
    let mut bytes = [0; 2048];
    while !is_whole(&answer) {
        match socket.read(&mut bytes)? {
            0 => return Err(io::Error::other("the publish API ended a connection")),
            n => answer.extend_from_slice(&bytes[..n]),
        }
    }
    if answer.starts_with(b"HTTP/1.1 2") {
        return Ok(());
    }
    Err(io::Error::other(String::from_utf8_lossy(&answer).into_owned()))
}

/// Whether an answer has come with all of its body, which is chunked, or has a length.
fn is_whole(answer: &[u8]) -> bool {
    let text = String::from_utf8_lossy(answer);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let head = head.to_ascii_lowercase();
    match head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next()?.trim().parse().ok()) {
        Some(length) => body.len() >= length,
        None => !head.contains("chunked") || body.ends_with("0\r\n\r\n"),
    }
}
