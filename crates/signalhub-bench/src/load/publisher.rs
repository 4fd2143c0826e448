//! Publishes over connections that stay open; the answers are read when there is time.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::LazyLock;
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use super::target::Hub;
use super::wire::Wire;

/// The event of all scenarios: about 350 bytes in the notification that comes of it.
pub(crate) const EVENT: &str = "portos.resources.changed";

/// An event that is never published.
pub(crate) const OTHER: &str = "portos.licence.activated";

/// In a request of [`Publisher::repeat`], a place for the time when it is sent and the number of its connection: what makes it unique.
pub(crate) const STAMP: &str = "00000000000000000000";

/// How many digits of a stamp are nanoseconds since [`START`].
pub(crate) const STAMP_TIME: usize = 16;

/// What the times in stamps are counted from.
pub(crate) static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Some connections to the publish API, each for one request at a time.
pub(crate) struct Publisher {
    sockets: Vec<Wire<TcpStream>>,
    request: Vec<u8>,
}

impl Publisher {
    /// Opens a connection for each publish of a burst; `padding` makes the payload longer.
    pub(crate) fn open(hub: &Hub, connections: usize, padding: usize) -> io::Result<Self> {
        Self::with(hub, connections, "", &notification(EVENT, "tickets", padding))
    }

    /// Opens connections that send this body, to the publish API with this query.
    pub(crate) fn with(hub: &Hub, connections: usize, query: &str, body: &str) -> io::Result<Self> {
        let request = format!(
            "POST {}{query} HTTP/1.1\r\nHost: {}\r\n{}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
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

    /// Publishes on all connections, each in a thread of its own and one request after the other, until the time is over; tells how long
    /// each publish took. With an interval, a connection begins that often, and makes up for what it is late.
    pub(crate) fn repeat(&mut self, time: Duration, interval: Option<Duration>) -> io::Result<Vec<Duration>> {
        let Self { sockets, request } = self;
        let (request, count) = (&*request, u32::try_from(sockets.len()).map_err(io::Error::other)?);
        let (start, shift) = (Instant::now(), interval.unwrap_or_default() / count.max(1));
        thread::scope(|scope| {
            let threads: Vec<_> = (0..)
                .zip(sockets)
                .map(|(number, socket)| {
                    let first = start + shift * number;
                    let request = Request::new(request, number);
                    scope.spawn(move || repeat(socket, request, first, (start + time, interval)))
                })
                .collect();
            let results = threads
                .into_iter()
                .map(|thread| thread.join().unwrap_or_else(|_| Err(io::Error::other("a thread panicked"))));
            Ok(results.collect::<io::Result<Vec<_>>>()?.concat())
        })
    }
}

/// A notification of an event about a resource. Without padding, its payload has 250 bytes.
pub(crate) fn notification(event: &str, resource: &str, padding: usize) -> String {
    let note = "x".repeat(120 + padding);
    format!(
        r#"{{"e":"{event}","p":{{"u":{{"u":"999","d":"BackOffice","f":null}},"n":"{resource}","a":1,"i":{{"i":"573f4511088c772684a738f8","n":"{resource}","v":7}},"r":[{{"note":"{note}"}}]}}}}"#
    )
}

/// A request of one connection, perhaps with a stamp.
struct Request {
    bytes: Vec<u8>,
    stamp: Option<usize>,
    connection: u32,
}

impl Request {
    fn new(bytes: &[u8], connection: u32) -> Self {
        let stamp = bytes.windows(STAMP.len()).position(|window| window == STAMP.as_bytes());
        Self { bytes: bytes.to_vec(), stamp, connection }
    }

    fn stamped(&mut self, now: Instant) -> &[u8] {
        if let Some(at) = self.stamp {
            let nanoseconds = now.saturating_duration_since(*START).as_nanos();
            let digits = STAMP.len() - STAMP_TIME;
            let stamp = format!("{nanoseconds:0STAMP_TIME$}{:0digits$}", self.connection);
            self.bytes[at..at + STAMP.len()].copy_from_slice(&stamp.as_bytes()[..STAMP.len()]);
        }
        &self.bytes
    }
}

fn repeat(
    socket: &mut Wire<TcpStream>,
    mut request: Request,
    mut due: Instant,
    (end, interval): (Instant, Option<Duration>),
) -> io::Result<Vec<Duration>> {
    let mut took = Vec::new();
    while Instant::now().max(due) < end {
        if let Some(interval) = interval {
            sleep(due.saturating_duration_since(Instant::now()));
            due += interval;
        }
        let sent = Instant::now();
        socket.write_all(request.stamped(sent))?;
        read_answer(socket)?;
        took.push(sent.elapsed());
    }
    Ok(took)
}

fn read_answer(socket: &mut Wire<TcpStream>) -> io::Result<()> {
    let mut answer = Vec::new();
    let mut bytes = [0; 8 * 1024];
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
