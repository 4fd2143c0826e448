//! Many connections on one thread, directly on epoll: the receivers of a load test.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use mio::net::TcpStream as Socket;
use mio::{Events, Interest, Poll, Token};

use super::frames::{Frames, of_client};
use super::target::Hub;
use super::wire::Wire;

/// Shorter records are pings.
const SHORTEST: u64 = 12;

/// The time limit of every wait.
const TIMEOUT: Duration = Duration::from_secs(60);

/// The connections.
pub(crate) struct Peers {
    poll: Poll,
    events: Events,
    peers: Vec<Peer>,
    scratch: Vec<u8>,
    last_length: u64,
}

struct Peer {
    socket: Wire<Socket>,
    frames: Frames,
    /// How many messages have come.
    received: usize,
}

/// Opens a WebSocket, performs the handshake and calls `Subscribe` with this argument.
pub(crate) fn join(hub: &Hub, subscription: &str) -> io::Result<Wire<TcpStream>> {
    let mut socket = open(hub)?;
    socket.write_all(&of_client(&call(subscription)))?;
    let answer = read_until(&mut socket, "\u{1e}")?;
    if answer.contains("error") { Err(io::Error::other(answer)) } else { Ok(socket) }
}

/// Opens a WebSocket and performs the handshake.
pub(crate) fn open(hub: &Hub) -> io::Result<Wire<TcpStream>> {
    open_at(hub, hub.path)
}

/// The same at this path and query of the hub.
pub(crate) fn open_at(hub: &Hub, path: &str) -> io::Result<Wire<TcpStream>> {
    let mut socket = Wire::connect(hub)?;
    let upgrade = format!(
        "GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n{}\r\n",
        hub.address, hub.authorization
    );
    socket.write_all(upgrade.as_bytes())?;
    read_until(&mut socket, "\r\n\r\n")?;
    socket.write_all(&of_client(r#"{"protocol":"json","version":1}"#))?;
    read_until(&mut socket, "{}\u{1e}")?;
    Ok(socket)
}

/// A call of `Subscribe`, which is the call of the echo scenarios, too.
pub(crate) fn call(subscription: &str) -> String {
    format!(r#"{{"type":1,"invocationId":"1","target":"Subscribe","arguments":[{subscription}]}}"#)
}

/// Reads until the received bytes end with this, and skips pings.
pub(crate) fn read_until(socket: &mut impl Read, end: &str) -> io::Result<String> {
    let (mut text, mut bytes) = (Vec::new(), [0; 4096]);
    while !text.ends_with(end.as_bytes()) {
        match socket.read(&mut bytes)? {
            0 => return Err(io::Error::other(format!("the server ended: {}", String::from_utf8_lossy(&text)))),
            n => text.extend_from_slice(&bytes[..n]),
        }
    }
    Ok(String::from_utf8_lossy(&text).into_owned())
}

impl Peers {
    /// Takes connections whose handshake is done.
    pub(crate) fn new(sockets: impl IntoIterator<Item = io::Result<Wire<TcpStream>>>) -> io::Result<Self> {
        let poll = Poll::new()?;
        let mut peers = Vec::new();
        for (number, socket) in sockets.into_iter().enumerate() {
            let mut socket = socket?.map(|socket| {
                socket.set_nonblocking(true)?;
                Ok(Socket::from_std(socket))
            })?;
            poll.registry().register(socket.socket_mut(), Token(number), Interest::READABLE)?;
            peers.push(Peer { socket, frames: Frames::default(), received: 0 });
        }
        Ok(Self { poll, events: Events::with_capacity(1024), peers, scratch: vec![0; 64 * 1024], last_length: 0 })
    }

    /// Connects this number of subscribers to a hub.
    pub(crate) fn of_hub(hub: &Hub, count: usize, subscription: impl Fn(usize) -> String) -> io::Result<Self> {
        Self::new((0..count).map(|number| join(hub, &subscription(number))))
    }

    /// Connects this number of plain sockets.
    pub(crate) fn of_raw(address: &str, count: usize) -> io::Result<Self> {
        Self::new((0..count).map(|_| TcpStream::connect(address).map(Wire::Plain)))
    }

    /// How long the last message was.
    pub(crate) fn last_length(&self) -> u32 {
        u32::try_from(self.last_length).unwrap_or(u32::MAX)
    }

    /// Sends a short frame on each connection.
    pub(crate) fn send(&mut self, frame: &[u8]) -> io::Result<()> {
        self.peers.iter_mut().try_for_each(|peer| send(&mut peer.socket, frame))
    }

    /// Reads until each of the `receivers` peers has received this number of further messages; returns, for each message, when the last
    /// peer received it.
    pub(crate) fn receive(&mut self, receivers: usize, messages: usize) -> io::Result<Vec<Instant>> {
        let (mut counts, mut last) = (vec![0_usize; messages], vec![Instant::now(); messages]);
        let bases: Vec<usize> = self.peers.iter().map(|peer| peer.received).collect();
        let mut missing = receivers * messages;
        let until = Instant::now() + TIMEOUT;
        while missing > 0 {
            let now_received = self.turn(until, |peer, received, now| {
                let ordinal = received - bases[peer];
                if ordinal < messages {
                    counts[ordinal] += 1;
                    if counts[ordinal] == receivers {
                        last[ordinal] = now;
                    }
                }
            })?;
            missing = missing.saturating_sub(now_received);
            if missing > 0 && Instant::now() >= until {
                return Err(io::Error::other(format!("{missing} messages did not come")));
            }
        }
        Ok(last)
    }

    /// Keeps `depth` frames of each peer in flight for a time; returns how many came back.
    pub(crate) fn converse(&mut self, frame: &[u8], depth: usize, time: Duration) -> io::Result<usize> {
        let window = frame.repeat(depth);
        for peer in &mut self.peers {
            send(&mut peer.socket, &window)?;
        }
        let (end, mut answered) = (Instant::now() + time, 0);
        let mut received = vec![0_usize; self.peers.len()];
        while Instant::now() < end {
            answered += self.turn(end, |peer, _, _| received[peer] += 1)?;
            for (peer, received) in self.peers.iter_mut().zip(&mut received) {
                if *received > 0 {
                    send(&mut peer.socket, &window[..frame.len() * *received])?;
                    *received = 0;
                }
            }
        }
        // Frames still in flight come back before the next measurement.
        let rest = self.peers.len() * depth;
        let mut drained = 0;
        let until = Instant::now() + TIMEOUT;
        while drained < rest {
            drained += self.turn(until, |_, _, _| ())?;
            if drained < rest && Instant::now() >= until {
                return Err(io::Error::other(format!("{} calls were not answered", rest - drained)));
            }
        }
        Ok(answered)
    }

    /// Waits once and reads all that came; returns how many messages that was.
    fn turn(&mut self, until: Instant, mut on_message: impl FnMut(usize, usize, Instant)) -> io::Result<usize> {
        let Self { poll, events, peers, scratch, last_length } = self;
        let timeout = until.saturating_duration_since(Instant::now());
        if let Err(error) = poll.poll(events, Some(timeout))
            && error.kind() != ErrorKind::Interrupted
        {
            return Err(error);
        }
        let mut messages = 0;
        for event in events.iter() {
            let number = event.token().0;
            let peer = &mut peers[number];
            loop {
                let n = match peer.socket.read(scratch) {
                    Ok(0) => return Err(io::Error::other("the server ended a connection")),
                    Ok(n) => n,
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(error) => return Err(error),
                };
                let (now, received) = (Instant::now(), &mut peer.received);
                peer.frames.feed(&scratch[..n], |length| {
                    if length >= SHORTEST {
                        on_message(number, *received, now);
                        *last_length = length;
                        *received += 1;
                        messages += 1;
                    }
                });
                if n < scratch.len() && peer.socket.short_read_empties() {
                    break;
                }
            }
        }
        Ok(messages)
    }
}

/// Sends few bytes, for which the socket has room.
fn send(socket: &mut Wire<Socket>, bytes: &[u8]) -> io::Result<()> {
    match socket.write(bytes)? {
        n if n == bytes.len() => Ok(()),
        _ => Err(io::Error::other("the socket takes no more")),
    }
}
