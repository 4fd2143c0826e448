//! A subscriber that reads when the events that it gets were published.

use std::io::{self, ErrorKind, Read};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::load::peers::join;
use crate::load::publisher::{EVENT, STAMP, STAMP_TIME, START, notification};
use crate::load::scenarios::ALL;
use crate::load::target::Hub;
use crate::load::wire::Wire;

/// What a stamp in an event begins with.
const MARK: u8 = b'@';

/// How long a read waits.
const WAIT: Duration = Duration::from_millis(50);

/// An event: when it was published, and when it came; since [`START`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) published: Duration,
    pub(super) received: Duration,
}

impl Event {
    pub(super) fn age(&self) -> Duration {
        self.received.saturating_sub(self.published)
    }
}

/// The time since [`START`].
pub(super) fn now() -> Duration {
    Instant::now().saturating_duration_since(*START)
}

/// What a publisher sends so that its events have stamps.
pub(super) fn body() -> String {
    let stamp = format!("{}{STAMP}", char::from(MARK));
    notification(EVENT, "tickets", 0).replacen(&"x".repeat(stamp.len()), &stamp, 1)
}

/// A connection that has subscribed.
pub(super) struct Subscriber {
    socket: Wire<TcpStream>,
    bytes: Vec<u8>,
}

impl Subscriber {
    pub(super) fn join(hub: &Hub) -> io::Result<Self> {
        let mut socket = join(hub, ALL)?;
        socket.socket_mut().set_read_timeout(Some(WAIT))?;
        Ok(Self { socket, bytes: Vec::new() })
    }

    /// Reads once, and adds the events that are there.
    pub(super) fn read(&mut self, events: &mut Vec<Event>) -> io::Result<()> {
        let mut piece = [0; 16 * 1024];
        let length = match self.socket.read(&mut piece) {
            Ok(0) => return Err(io::Error::other("the server ended the connection of a subscriber")),
            Ok(length) => length,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => return Ok(()),
            Err(error) => return Err(error),
        };
        let received = now();
        self.bytes.extend_from_slice(&piece[..length]);
        let published = take_stamps(&mut self.bytes);
        events.extend(published.into_iter().map(|published| Event { published, received }));
        Ok(())
    }
}

/// Takes what was received up to the last whole stamp, and gives the times.
fn take_stamps(bytes: &mut Vec<u8>) -> Vec<Duration> {
    let (mut times, mut at) = (Vec::new(), 0);
    while let Some(mark) = bytes[at..].iter().position(|byte| *byte == MARK) {
        let start = at + mark + 1;
        let Some(stamp) = bytes.get(start..start + STAMP.len()) else {
            at = start - 1;
            bytes.drain(..at);
            return times;
        };
        at = start;
        let digits = std::str::from_utf8(&stamp[..STAMP_TIME]).ok().filter(|_| stamp.iter().all(u8::is_ascii_digit));
        if let Some(nanoseconds) = digits.and_then(|digits| digits.parse().ok()) {
            times.push(Duration::from_nanos(nanoseconds));
            at += STAMP.len();
        }
    }
    bytes.clear();
    times
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_are_read_however_they_are_cut_and_other_marks_are_passed_over() {
        let stream = b"~@\x7e@00000000000000170003 @00@00000000000000250001 ...";
        for size in [1, 7, stream.len()] {
            let (mut bytes, mut times) = (Vec::new(), Vec::new());
            for piece in stream.chunks(size) {
                bytes.extend_from_slice(piece);
                times.extend(take_stamps(&mut bytes));
            }
            assert_eq!(times, [17, 25].map(Duration::from_nanos), "in pieces of {size}");
        }
    }
}
