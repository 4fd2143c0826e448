//! Waits until what was published is on replicas, and on the disk of its server.
//!
//! `WAIT` and `WAITAOF` hold up whatever follows on their connection. So publishes that ask for them have a connection of their own, and share
//! its waits: a wait covers everything that the connection has written before. It is asked again and again for a short time, so that
//! the next publishes are not held up while the disk is slow.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{Value, cmd};
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::time::Instant;

use super::super::keys::Keys;
use super::super::streams::{Confirmation, StreamError};
use super::failed;
use crate::link::Instance;
use crate::link::opening::Driver;

/// How long the server waits for replicas, and at once for its disk.
const WAIT: Duration = Duration::from_millis(100);

/// How long an event may take to the disk. With `appendfsync everysec` it takes up to a second, and up to two on a disk that is busy.
const DISK: Duration = Duration::from_secs(2);

/// How many requests may wait to be taken.
const QUEUE: usize = 1_024;

/// What a confirmation is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Covers {
    /// What was written on this connection.
    OwnWrites,
    /// What any connection has written.
    AllBefore,
}

/// What a publish waits for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    pub(super) covers: Covers,
    /// This number of replicas, for a short time.
    pub(super) replicas: u32,
    pub(super) disk: bool,
}

struct Request {
    wanted: Wanted,
    until: Instant,
    found: Confirmation,
    answer: oneshot::Sender<Confirmation>,
}

/// The connection of the publishes that wait, to one server. It is opened when it is needed.
#[derive(Debug)]
pub(super) struct Confirming {
    instance: Instance,
    keys: Keys,
    current: Mutex<Option<ConfirmingLink>>,
}

/// An open connection, which the publishes share.
#[derive(Debug, Clone)]
pub(super) struct ConfirmingLink {
    pub(super) connection: MultiplexedConnection,
    requests: mpsc::Sender<Request>,
}

impl Confirming {
    pub(super) fn new(instance: Instance, keys: Keys) -> Self {
        Self { instance, keys, current: Mutex::default() }
    }

    /// Returns the connection. It ends together with the link for commands, which is the one that is checked.
    pub(super) async fn link(&self) -> Result<ConfirmingLink, StreamError> {
        let mut current = self.current.lock().await;
        if let Some(link) = current.as_ref().filter(|link| !link.requests.is_closed()) {
            return Ok(link.clone());
        }
        let mut commands = self.instance.connections();
        if commands.borrow_and_update().is_none() {
            return Err(StreamError::Disconnected);
        }
        let (connection, driver) = self.instance.open().await.map_err(|error| {
            tracing::debug!(redis = %self.instance.address(), %error, "the connection of publishes that wait cannot be opened");
            StreamError::Disconnected
        })?;
        let (requests, receiver) = mpsc::channel(QUEUE);
        let waits = Waits { connection: connection.clone(), keys: self.keys.clone(), requests: receiver };
        tokio::spawn(async move {
            tokio::select! {
                () = waits.run(driver) => {}
                _ = commands.changed() => {}
            }
        });
        Ok(current.insert(ConfirmingLink { connection, requests }).clone())
    }
}

impl ConfirmingLink {
    /// Waits for what is wanted, for what was written before the call. Less is an answer too.
    pub(super) async fn confirm(&self, wanted: Wanted) -> Result<Confirmation, StreamError> {
        let lost = || StreamError::Unanswered("the connection is lost".to_owned());
        let (answer, confirmed) = oneshot::channel();
        let request = Request { wanted, until: Instant::now() + DISK, found: Confirmation::default(), answer };
        self.requests.send(request).await.map_err(|_| lost())?;
        confirmed.await.map_err(|_| lost())
    }
}

/// The task that waits, for all publishes at once.
struct Waits {
    connection: MultiplexedConnection,
    keys: Keys,
    requests: mpsc::Receiver<Request>,
}

impl Waits {
    /// Waits until the connection is lost, or nothing uses it any more.
    async fn run(self, mut driver: Driver) {
        tokio::select! {
            () = &mut driver => {}
            Err(error) = self.answer_requests() => tracing::debug!(%error, "publishes cannot be confirmed"),
            else => {}
        }
    }

    async fn answer_requests(mut self) -> Result<(), StreamError> {
        let mut waiting: Vec<Request> = Vec::new();
        loop {
            if waiting.is_empty() {
                let Some(first) = self.requests.recv().await else { return Ok(()) };
                waiting.push(first);
            }
            while let Ok(next) = self.requests.try_recv() {
                waiting.push(next);
            }
            let (replicas, is_on_disk) = self.wait(&waiting).await?;
            let now = Instant::now();
            let mut unconfirmed = Vec::new();
            for mut request in waiting {
                if request.wanted.replicas > 0 {
                    request.found.replicas = replicas;
                }
                request.found.is_durable = is_on_disk;
                if request.wanted.disk && !is_on_disk && now < request.until && !request.answer.is_closed() {
                    // What it has written is covered by each further wait.
                    request.wanted = Wanted { covers: Covers::OwnWrites, replicas: 0, disk: true };
                    unconfirmed.push(request);
                } else {
                    // A publisher that has gone needs no answer.
                    request.answer.send(request.found).ok();
                }
            }
            waiting = unconfirmed;
        }
    }

    /// Waits once: how many replicas have everything, and whether the disk has it.
    async fn wait(&mut self, waiting: &[Request]) -> Result<(Option<u64>, bool), StreamError> {
        let millis = u64::try_from(WAIT.as_millis()).unwrap_or(u64::MAX);
        let mut pipeline = redis::pipe();
        if waiting.iter().any(|request| request.wanted.covers == Covers::AllBefore) {
            // The server waits for the latest write of this connection, so it needs one.
            pipeline.cmd("SET").arg(self.keys.sync()).arg(1).arg("EX").arg(60).ignore();
        }
        let most = waiting.iter().map(|request| request.wanted.replicas).max().unwrap_or_default();
        if most > 0 {
            pipeline.cmd("WAIT").arg(most).arg(millis);
        }
        let disk = waiting.iter().any(|request| request.wanted.disk);
        if disk {
            pipeline.add_command(wait_for_disk(WAIT));
        }
        let answers: Vec<Value> = pipeline.query_async(&mut self.connection).await.map_err(|error| failed(&error))?;
        let mut answers = answers.into_iter();
        let replicas = match (most > 0).then(|| answers.next()).flatten() {
            Some(Value::Int(count)) => Some(count.cast_unsigned()),
            _ => None,
        };
        let is_on_disk = match disk.then(|| answers.next()).flatten() {
            Some(Value::Array(counts)) => counts.first().is_some_and(|count| *count != Value::Int(0)),
            _ => false,
        };
        Ok((replicas, is_on_disk))
    }
}

/// The command that waits until the disk of the server has what the connection has written.
pub(super) fn wait_for_disk(most: Duration) -> redis::Cmd {
    let mut command = cmd("WAITAOF");
    command.arg(1).arg(0).arg(u64::try_from(most.as_millis()).unwrap_or(u64::MAX));
    command
}
