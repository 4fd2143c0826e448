//! One connection of a generator: a WebSocket that is opened, subscribed, and then read.

use std::io::{self, ErrorKind, Read, Write};

use mio::net::TcpStream;

/// The end of a record (HubProtocol, JSON encoding).
const SEPARATOR: u8 = 0x1e;

/// A record of the client that says that it is there.
pub(super) const PING: &str = r#"{"type":6}"#;

/// A connection. There are thousands in a process, so it is small.
#[derive(Debug)]
pub(super) struct Connection {
    socket: TcpStream,
    stage: Stage,
    /// How many events have come in this round.
    pub(super) events: u8,
    /// Bytes of a frame, or of the answer to the upgrade, whose rest has not come.
    rest: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The answer to the upgrade is missing.
    Upgrading,
    /// The answer to the handshake is missing.
    Handshaking,
    /// The answer to the first `Subscribe` is missing.
    Subscribing,
    Subscribed,
}

/// What has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Incoming {
    /// The answer to the first `Subscribe`: the connection is held from now on.
    Subscribed,
    /// The answer to a further `Subscribe`.
    Completion,
    Event,
    Ping,
}

/// The frames that a connection sends.
#[derive(Debug)]
pub(super) struct Frames {
    pub(super) handshake: Vec<u8>,
    pub(super) subscribe: Vec<u8>,
}

impl Connection {
    /// Takes a connected socket that does not block, and sends the request for the upgrade.
    pub(super) fn open(mut socket: TcpStream, upgrade: &[u8]) -> io::Result<Self> {
        send(&mut socket, upgrade)?;
        Ok(Self { socket, stage: Stage::Upgrading, events: 0, rest: Vec::new() })
    }

    pub(super) fn is_subscribed(&self) -> bool {
        self.stage == Stage::Subscribed
    }

    /// Sends a frame, for which the socket has room.
    pub(super) fn send(&mut self, frame: &[u8]) -> io::Result<()> {
        send(&mut self.socket, frame)
    }

    /// Reads all that has come. An error means that the connection has ended.
    pub(super) fn read(
        &mut self,
        frames: &Frames,
        scratch: &mut [u8],
        mut on: impl FnMut(&mut u8, Incoming),
    ) -> io::Result<()> {
        loop {
            let length = match self.socket.read(scratch) {
                Ok(0) => return Err(io::Error::other("the server ended the connection")),
                Ok(length) => length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            self.take(&scratch[..length], frames, &mut on)?;
            // A read that does not fill its buffer has emptied the socket.
            if length < scratch.len() {
                return Ok(());
            }
        }
    }

    fn take(&mut self, bytes: &[u8], frames: &Frames, on: &mut impl FnMut(&mut u8, Incoming)) -> io::Result<()> {
        // Mostly a frame comes whole, and is read where it is.
        let joined;
        let mut bytes = if self.rest.is_empty() {
            bytes
        } else {
            joined = [std::mem::take(&mut self.rest).as_slice(), bytes].concat();
            &joined
        };
        if self.stage == Stage::Upgrading {
            let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
                self.rest = bytes.to_vec();
                return Ok(());
            };
            if !bytes.starts_with(b"HTTP/1.1 101 ") {
                return Err(io::Error::other(String::from_utf8_lossy(&bytes[..end]).into_owned()));
            }
            self.stage = Stage::Handshaking;
            self.send(&frames.handshake)?;
            bytes = &bytes[end + 4..];
        }
        while let Some((payload, behind)) = split_frame(bytes)? {
            for record in payload.split(|byte| *byte == SEPARATOR).filter(|record| !record.is_empty()) {
                self.on_record(record, frames, on)?;
            }
            bytes = behind;
        }
        if !bytes.is_empty() {
            self.rest = bytes.to_vec();
        }
        Ok(())
    }

    fn on_record(&mut self, record: &[u8], frames: &Frames, on: &mut impl FnMut(&mut u8, Incoming)) -> io::Result<()> {
        let unexpected = || io::Error::other(format!("unexpected: {}", String::from_utf8_lossy(record)));
        let has = |text: &[u8]| record.windows(text.len()).any(|window| window == text);
        let incoming = match self.stage {
            Stage::Handshaking if record == b"{}" => {
                self.stage = Stage::Subscribing;
                return self.send(&frames.subscribe);
            }
            Stage::Subscribing | Stage::Subscribed if record.starts_with(br#"{"type":6}"#) => Incoming::Ping,
            Stage::Subscribing if record.starts_with(br#"{"type":3,"#) && !has(br#""error""#) => {
                self.stage = Stage::Subscribed;
                Incoming::Subscribed
            }
            Stage::Subscribed if record.starts_with(br#"{"type":3,"#) && !has(br#""error""#) => Incoming::Completion,
            Stage::Subscribing | Stage::Subscribed if record.starts_with(br#"{"type":1,"#) && has(br#""OnEvent""#) => {
                Incoming::Event
            }
            _ => return Err(unexpected()),
        };
        on(&mut self.events, incoming);
        Ok(())
    }
}

impl mio::event::Source for Connection {
    fn register(&mut self, registry: &mio::Registry, token: mio::Token, interest: mio::Interest) -> io::Result<()> {
        self.socket.register(registry, token, interest)
    }

    fn reregister(&mut self, registry: &mio::Registry, token: mio::Token, interest: mio::Interest) -> io::Result<()> {
        self.socket.reregister(registry, token, interest)
    }

    fn deregister(&mut self, registry: &mio::Registry) -> io::Result<()> {
        self.socket.deregister(registry)
    }
}

fn send(socket: &mut TcpStream, bytes: &[u8]) -> io::Result<()> {
    match socket.write(bytes)? {
        length if length == bytes.len() => Ok(()),
        _ => Err(io::Error::other("the socket takes no more")),
    }
}

/// Divides bytes into the payload of the first text frame and what is behind it, once the frame is whole. Servers do not mask, and ours
/// sends each record in one frame.
fn split_frame(bytes: &[u8]) -> io::Result<Option<(&[u8], &[u8])>> {
    let (first, start, length) = match bytes {
        [first, 126, high, low, ..] => (*first, 4, usize::from(u16::from_be_bytes([*high, *low]))),
        [_, 127, ..] => return Err(io::Error::other("a frame is longer than any event")),
        [first, length @ ..=125, ..] => (*first, 2, usize::from(*length)),
        [_, 128..=255, ..] => return Err(io::Error::other("the server masks its frames")),
        _ => return Ok(None),
    };
    let Some(payload) = bytes.get(start..start + length) else { return Ok(None) };
    match first {
        0x81 if payload.ends_with(&[SEPARATOR]) => Ok(Some((payload, &bytes[start + length..]))),
        0x88 => Err(io::Error::other("the server closed the connection")),
        _ => Err(io::Error::other(format!("a frame begins with the byte {first:#x}"))),
    }
}

#[cfg(test)]
mod tests;
