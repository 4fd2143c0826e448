//! A generator: a process with thousands of connections to one node, on one thread.

mod connection;

use std::collections::BTreeMap;
use std::io::{self, BufRead, ErrorKind, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use mio::net::TcpStream as MioStream;
use mio::{Events, Interest, Poll, Token, Waker};
use serde::Serialize;
use socket2::{Domain, Socket, Type};

use self::connection::{Connection, Frames, Incoming, PING};
use super::orders::{Answer, Order, Receivers, Round, Setup, Status};
use crate::load::frames::of_client;
use crate::load::peers::call;

/// How long it waits at most before it looks whether pings are due.
const GLANCE: Duration = Duration::from_millis(250);

/// How often it tells how far it is while it opens connections.
const PROGRESS: Duration = Duration::from_millis(250);

/// The first port of the connections; those below are for programs that choose theirs.
const FIRST_PORT: u16 = 10_000;

/// After this number of failed attempts no more connections are opened.
const MOST_FAILURES: u64 = 100;

/// The token of the waker in the poll. Connections have their numbers.
const ORDERS: Token = Token(usize::MAX);

/// Reads orders from stdin, and writes answers to stdout, until there are no more orders.
pub(crate) fn run() -> io::Result<()> {
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    let poll = Poll::new()?;
    let orders = read_orders(Arc::new(Waker::new(poll.registry(), ORDERS)?));
    Clients::new(serde_json::from_str(&line)?, poll).run(&orders)
}

/// Reads orders in a thread of its own, which wakes the poll for each of them.
fn read_orders(waker: Arc<Waker>) -> Receiver<io::Result<Order>> {
    let (sender, orders) = sync_channel(16);
    thread::spawn(move || {
        for line in io::stdin().lock().lines() {
            let order = line.and_then(|line| Ok(serde_json::from_str(&line)?));
            if sender.send(order).is_err() || waker.wake().is_err() {
                return;
            }
        }
        drop(sender);
        drop(waker.wake());
    });
    orders
}

/// The connections of this process.
struct Clients {
    setup: Setup,
    poll: Poll,
    connections: Vec<Option<Connection>>,
    frames: Frames,
    upgrades: Vec<Vec<u8>>,
    opening: Opening,
    status: Status,
    chosen: Vec<usize>,
    /// Answers to the further subscriptions that are missing.
    unanswered: usize,
    round: Option<Running>,
    pings: Pings,
}

/// Connections that are not open yet.
struct Opening {
    more: bool,
    in_flight: usize,
    next_port: u16,
    told: Instant,
}

/// The round that is being counted.
struct Running {
    receivers: Receivers,
    missing: usize,
    arrivals: BTreeMap<u64, u64>,
    last: u64,
}

/// Whose ping is next, and how many are due.
struct Pings {
    frame: Vec<u8>,
    next: usize,
    due: f64,
    looked: Instant,
}

impl Clients {
    fn new(setup: Setup, poll: Poll) -> Self {
        let upgrade = |token: &String| {
            format!(
                "GET {} HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                 Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nAuthorization: Bearer {token}\r\n\r\n",
                setup.path, setup.node
            )
            .into_bytes()
        };
        let now = Instant::now();
        Self {
            upgrades: setup.tokens.iter().map(upgrade).collect(),
            connections: Vec::with_capacity(setup.connections),
            frames: Frames {
                handshake: of_client(r#"{"protocol":"json","version":1}"#),
                subscribe: of_client(&call(&setup.subscription)),
            },
            opening: Opening { more: true, in_flight: 0, next_port: FIRST_PORT, told: now },
            status: Status::default(),
            chosen: Vec::new(),
            unanswered: 0,
            round: None,
            pings: Pings { frame: of_client(PING), next: 0, due: 0.0, looked: now },
            setup,
            poll,
        }
    }

    fn run(&mut self, orders: &Receiver<io::Result<Order>>) -> io::Result<()> {
        let (mut events, mut scratch) = (Events::with_capacity(1024), vec![0; 64 * 1024]);
        loop {
            self.open_more()?;
            let failed = self.poll.poll(&mut events, Some(GLANCE)).err();
            if let Some(error) = failed.filter(|error| error.kind() != ErrorKind::Interrupted) {
                return Err(error);
            }
            for event in events.iter().filter(|event| event.token() != ORDERS) {
                self.read(event.token().0, &mut scratch)?;
            }
            loop {
                match orders.try_recv() {
                    Ok(order) => self.obey(order?)?,
                    Err(TryRecvError::Empty) => break,
                    Err(TryRecvError::Disconnected) => return Ok(()),
                }
            }
            self.send_pings()?;
        }
    }

    fn obey(&mut self, order: Order) -> io::Result<()> {
        match order {
            Order::Enough => self.opening.more = false,
            Order::Choose { numbers, subscription } => self.choose(numbers, &subscription)?,
            Order::Begin(receivers) => {
                self.connections.iter_mut().flatten().for_each(|connection| connection.events = 0);
                let missing = match receivers {
                    Receivers::All => self.status.held,
                    Receivers::Chosen => self.chosen.len(),
                };
                self.round = Some(Running { receivers, missing, arrivals: BTreeMap::new(), last: 0 });
                tell(&Answer::Begun)?;
                self.tell_if_complete(missing)?;
            }
            Order::Finish => tell(&Answer::Finished(self.finish()))?,
            Order::Status => tell(&Answer::Status(self.status.clone()))?,
        }
        Ok(())
    }

    /// Opens connections, if enough others are open, and tells when all are.
    fn open_more(&mut self) -> io::Result<()> {
        let Setup { connections, in_flight, .. } = self.setup;
        while self.opening.more && self.opening.in_flight < in_flight {
            if self.connections.len() >= connections || self.status.failed >= MOST_FAILURES {
                self.opening.more = false;
            } else if let Err(error) = self.open() {
                self.note_failure(&error);
            }
        }
        if !self.opening.more && self.opening.in_flight == 0 && !self.is_opened() {
            self.setup.connections = self.connections.len();
            self.setup.in_flight = 0;
            return tell(&Answer::Opened(self.status.clone()));
        }
        if !self.is_opened() && self.opening.told.elapsed() >= PROGRESS {
            self.opening.told = Instant::now();
            tell(&Answer::Opening { held: self.status.held })?;
        }
        Ok(())
    }

    /// Whether it has told that all connections are open.
    fn is_opened(&self) -> bool {
        self.setup.in_flight == 0
    }

    fn open(&mut self) -> io::Result<()> {
        let socket = self.connect()?;
        let number = self.connections.len();
        let mut connection = Connection::open(socket, &self.upgrades[number % self.upgrades.len()])?;
        self.poll.registry().register(&mut connection, Token(number), Interest::READABLE)?;
        self.connections.push(Some(connection));
        self.opening.in_flight += 1;
        Ok(())
    }

    /// Connects from the next free port: the kernel would look for one, the longer the more are taken.
    fn connect(&mut self) -> io::Result<MioStream> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.set_reuse_address(true)?;
        loop {
            let port = self.opening.next_port;
            self.opening.next_port = port.checked_add(1).ok_or_else(|| io::Error::other("all ports are taken"))?;
            match socket.bind(&SocketAddr::from((self.setup.source, port)).into()) {
                Ok(()) => break,
                Err(error) if error.kind() == ErrorKind::AddrInUse => {}
                Err(error) => return Err(error),
            }
        }
        // On this machine it does not block while the node has room for it.
        socket.connect(&self.setup.node.into())?;
        socket.set_tcp_nodelay(true)?;
        socket.set_nonblocking(true)?;
        Ok(MioStream::from_std(TcpStream::from(socket)))
    }

    fn note_failure(&mut self, error: &io::Error) {
        self.status.failed += 1;
        self.status.first_problem.get_or_insert_with(|| error.to_string());
    }

    /// Reads what has come for a connection.
    fn read(&mut self, number: usize, scratch: &mut [u8]) -> io::Result<()> {
        let Some(slot) = self.connections.get_mut(number) else { return Ok(()) };
        let Some(connection) = slot else { return Ok(()) };
        let (mut subscribed, mut completed, mut pings, mut first) = (false, 0, 0, false);
        let result = connection.read(&self.frames, scratch, |events, incoming| match incoming {
            Incoming::Subscribed => subscribed = true,
            Incoming::Completion => completed += 1,
            Incoming::Ping => pings += 1,
            Incoming::Event => {
                first |= *events == 0;
                *events = events.saturating_add(1);
            }
        });
        self.status.pings_received += pings;
        if subscribed {
            self.opening.in_flight -= 1;
            self.status.held += 1;
        }
        if let Err(error) = result {
            let was_subscribed = connection.is_subscribed();
            *slot = None;
            self.note_end(was_subscribed, &error);
        }
        if completed > 0 {
            self.unanswered = self.unanswered.saturating_sub(completed);
            if self.unanswered == 0 {
                tell(&Answer::Chosen(self.chosen.len()))?;
            }
        }
        if first { self.note_arrival(number) } else { Ok(()) }
    }

    fn note_end(&mut self, was_subscribed: bool, error: &io::Error) {
        if was_subscribed {
            self.status.held -= 1;
            self.status.lost += 1;
            self.status.first_problem.get_or_insert_with(|| error.to_string());
        } else {
            self.opening.in_flight -= 1;
            self.note_failure(error);
        }
    }

    /// Notes that a connection has received its first event of the round.
    fn note_arrival(&mut self, number: usize) -> io::Result<()> {
        let Some(round) = &mut self.round else { return Ok(()) };
        if round.receivers == Receivers::Chosen && !self.chosen.contains(&number) {
            return Ok(());
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let microseconds = u64::try_from(now.as_micros()).unwrap_or(u64::MAX);
        *round.arrivals.entry(microseconds / 1000).or_default() += 1;
        round.last = round.last.max(microseconds);
        round.missing = round.missing.saturating_sub(1);
        let missing = round.missing;
        self.tell_if_complete(missing)
    }

    fn tell_if_complete(&self, missing: usize) -> io::Result<()> {
        if missing == 0 { tell(&Answer::Complete) } else { Ok(()) }
    }

    /// Ends the round.
    fn finish(&mut self) -> Round {
        let Some(running) = self.round.take() else { return Round::default() };
        let mut round =
            Round { arrivals: running.arrivals.into_iter().collect(), last: running.last, ..Round::default() };
        for (number, connection) in self.connections.iter().enumerate() {
            let Some(connection) = connection.as_ref().filter(|connection| connection.is_subscribed()) else {
                continue;
            };
            let is_meant = running.receivers == Receivers::All || self.chosen.contains(&number);
            match (is_meant, connection.events) {
                (true, 1) => round.reached += 1,
                (false, 0) => {}
                _ => round.wrong += 1,
            }
        }
        round
    }

    /// Subscribes connections to one more thing; those that have ended are replaced by the next ones.
    fn choose(&mut self, numbers: Vec<usize>, subscription: &str) -> io::Result<()> {
        let frame = of_client(&call(subscription));
        for number in numbers {
            let candidates = self.connections.iter_mut().enumerate().skip(number);
            let mut candidates = candidates.filter(|(number, _)| !self.chosen.contains(number));
            let found = candidates.find_map(|(number, slot)| Some((number, slot.as_mut()?)));
            if let Some((number, connection)) = found {
                connection.send(&frame)?;
                self.chosen.push(number);
                self.unanswered += 1;
            }
        }
        if self.unanswered == 0 { tell(&Answer::Chosen(self.chosen.len())) } else { Ok(()) }
    }

    /// Sends the pings that are due, spread evenly over their interval.
    fn send_pings(&mut self) -> io::Result<()> {
        let now = Instant::now();
        let elapsed = now.saturating_duration_since(self.pings.looked);
        self.pings.looked = now;
        self.pings.due += self.status.held as f64 * elapsed.as_secs_f64() / self.setup.ping_interval.as_secs_f64();
        let mut looked_at = 0;
        while self.pings.due >= 1.0 && looked_at < self.connections.len() {
            looked_at += 1;
            self.pings.next = (self.pings.next + 1) % self.connections.len();
            let slot = &mut self.connections[self.pings.next];
            let Some(connection) = slot.as_mut().filter(|connection| connection.is_subscribed()) else { continue };
            self.pings.due -= 1.0;
            match connection.send(&self.pings.frame) {
                Ok(()) => self.status.pings_sent += 1,
                Err(error) => {
                    *slot = None;
                    self.note_end(true, &error);
                }
            }
        }
        Ok(())
    }
}

/// Writes a line.
fn tell(answer: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(answer)?;
    line.push(b'\n');
    let mut stdout = io::stdout().lock();
    stdout.write_all(&line)?;
    stdout.flush()
}
