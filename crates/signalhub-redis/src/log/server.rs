//! The streams of a real Redis server.

mod stream;

use std::collections::HashSet;
use std::fmt;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{Cmd, ErrorKind, RedisError, ServerErrorKind, Value, cmd};
use signalhub_events::{Epoch, EventName};

use self::stream::Stream;
use super::fork::Seen;
use super::keys::Keys;
use super::script::{self, MOST_NAMES, PUBLISH, RESET, SEARCHED};
use super::streams::{Batch, Call, NamesCursor, PublishAnswer, PublishCall, Range, StreamError, StreamReader, Streams};
use super::values::{entries, epoch_of, seen, text_of, unexpected};
use crate::dataset::DatasetId;
use crate::link::opening::Driver;
use crate::link::{ConnectedLink, Instance, Link, RESPONSE_TIMEOUT};

/// How long a read waits for events.
const BLOCK: Duration = Duration::from_secs(1);

/// How many entries of a name a read returns at most.
const COUNT: usize = 512;

/// How long the server waits for replicas and its disk before it answers a publish.
const REPLICATION_WAIT: Duration = Duration::from_millis(100);

/// The streams of one Redis server.
pub(crate) struct Server {
    instance: Instance,
    keys: Keys,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Server").field(self.instance.address()).finish()
    }
}

impl Server {
    pub(crate) fn new(instance: Instance, keys: Keys) -> Self {
        Self { instance, keys }
    }

    pub(crate) fn instance(&self) -> &Instance {
        &self.instance
    }

    fn commands(&self) -> Result<MultiplexedConnection, StreamError> {
        self.instance.commands().map_err(|_| StreamError::Disconnected)
    }

    fn stream(&self, name: &EventName) -> Result<Stream, StreamError> {
        Ok(Stream::new(self.commands()?, self.keys.events(name)))
    }

    /// Tries the link out if a command had no answer.
    fn doubt_unanswered(&self, error: &StreamError) {
        if let StreamError::Unanswered(_) = error {
            self.instance.doubt();
        }
    }

    /// The error of a command, after which the link is tried out if there was no answer.
    fn failed(&self, error: &RedisError) -> StreamError {
        let error = failed(error);
        self.doubt_unanswered(&error);
        error
    }

    /// Tells whether the server can wait until events are on its disk.
    pub(crate) async fn can_sync(&self) -> bool {
        let Ok(mut connection) = self.commands() else { return false };
        let probe: Result<Value, _> = cmd("WAITAOF").arg(1).arg(0).arg(1).query_async(&mut connection).await;
        probe.is_ok()
    }

    /// The command that runs the publish script.
    fn publish_command(&self, call: &PublishCall) -> Cmd {
        let (key, fingerprint) = match &call.key {
            Some((key, fingerprint)) => (self.keys.idempotency(key), fingerprint.get()),
            // An attempt that the server runs late finds what its repeat has written here.
            None => (self.keys.late_attempt(call.id), 0),
        };
        let lifetime = match (call.key.is_some(), call.attempt.is_repeated()) {
            (true, _) => call.key_lifetime.as_secs().max(1).to_string(),
            (false, true) => LATE_ATTEMPT.as_secs().to_string(),
            (false, false) => String::new(),
        };
        let search = if call.attempt.is_repeated() { SEARCHED.to_string() } else { String::new() };
        // A repeat must not be written in an epoch that began after the first attempt.
        let epoch = call.floor.map(|floor| floor.epoch()).or(call.attempt.is_repeated().then_some(call.first_epoch));
        let mut command = cmd("EVALSHA");
        command.arg(PUBLISH.get_hash()).arg(5);
        command.arg(self.keys.meta(&call.name)).arg(self.keys.events(&call.name)).arg(key).arg(self.keys.names());
        command.arg(self.keys.instance());
        command.arg(&call.entry).arg(call.most).arg(call.new_epoch.to_string());
        command.arg(call.floor.map_or(0, |floor| floor.offset())).arg(lifetime).arg(format!("{fingerprint:016x}"));
        command.arg(call.id.to_string()).arg(call.tail.map(|write| write.to_string()).unwrap_or_default());
        command.arg(epoch.map(|epoch| epoch.to_string()).unwrap_or_default()).arg(search).arg(call.attempt.0);
        command
    }

    async fn run_publish(&self, call: &PublishCall) -> Result<PublishAnswer, StreamError> {
        let mut connection = self.commands()?;
        // The waits follow on the same connection, because the server waits for what a connection has written.
        let mut pipeline = redis::pipe();
        pipeline.add_command(self.publish_command(call)).ignore_errors();
        let millis = u64::try_from(REPLICATION_WAIT.as_millis()).unwrap_or(u64::MAX);
        if call.replicas > 0 {
            pipeline.cmd("WAIT").arg(call.replicas).arg(millis);
        }
        if call.durable {
            pipeline.cmd("WAITAOF").arg(1).arg(0).arg(millis);
        }
        let mut answers = self.answers(&pipeline, &mut connection).await?;
        if let Some(Value::ServerError(error)) = answers.first()
            && error.kind() == Some(ServerErrorKind::NoScript)
        {
            PUBLISH.load_async(&mut connection).await.map_err(|error| self.failed(&error))?;
            answers = self.answers(&pipeline, &mut connection).await?;
        }
        let mut answers = answers.into_iter();
        let answer = script::publish_answer(&value(answers.next().unwrap_or_default())?)?;
        let waited = match (call.replicas > 0).then(|| answers.next()).flatten() {
            Some(Value::Int(count)) => Some(count.cast_unsigned()),
            _ => None,
        };
        let on_disk = match (call.durable).then(|| answers.next()).flatten() {
            Some(Value::Array(counts)) => counts.first().is_some_and(|count| *count != Value::Int(0)),
            _ => false,
        };
        Ok(match answer {
            PublishAnswer::Published { position, .. } => {
                PublishAnswer::Published { position, replicas: waited, is_durable: on_disk }
            }
            PublishAnswer::Forked { position, .. } => {
                PublishAnswer::Forked { position, replicas: waited, is_durable: on_disk }
            }
            other => other,
        })
    }

    async fn answers(
        &self,
        pipeline: &redis::Pipeline,
        connection: &mut MultiplexedConnection,
    ) -> Result<Vec<Value>, StreamError> {
        pipeline.query_async(connection).await.map_err(|error| self.failed(&error))
    }
}

/// How long the server may take to run an attempt that it has not answered.
const LATE_ATTEMPT: Duration = Duration::from_secs(60);

impl Streams for Server {
    fn publish<'a>(&'a self, publish: &'a PublishCall) -> Call<'a, PublishAnswer> {
        Box::pin(self.run_publish(publish))
    }

    fn range<'a>(&'a self, name: &'a EventName, after: u64, through: u64, most: usize) -> Call<'a, Range> {
        Box::pin(async move {
            let mut connection = self.commands()?;
            let events = self.keys.events(name);
            let mut pipeline = redis::pipe();
            pipeline.cmd("XRANGE").arg(&events).arg(format!("({after}-0")).arg(format!("{through}-0"));
            pipeline.arg("COUNT").arg(most);
            pipeline.cmd("XRANGE").arg(&events).arg("-").arg("+").arg("COUNT").arg(1);
            let (found, first): (Value, Value) =
                pipeline.query_async(&mut connection).await.map_err(|error| self.failed(&error))?;
            let first = entries(first)?.first().map(|entry| entry.offset);
            Ok(Range { entries: entries(found)?, first })
        })
    }

    fn tell<'a>(&'a self, node: &'a str, message: Vec<u8>) -> Call<'a, ()> {
        Box::pin(async move {
            let mut connection = self.commands()?;
            let published: Result<Value, _> =
                cmd("PUBLISH").arg(self.keys.answers(node)).arg(message).query_async(&mut connection).await;
            published.map(drop).map_err(|error| self.failed(&error))
        })
    }

    fn trim_by_age<'a>(&'a self, name: &'a EventName, created_before: i64) -> Call<'a, u64> {
        Box::pin(async move {
            let trimmed = self.stream(name)?.trim_by_age(created_before).await;
            trimmed.inspect_err(|error| self.doubt_unanswered(error))
        })
    }

    fn trim_to<'a>(&'a self, name: &'a EventName, bytes: u64) -> Call<'a, (u64, Option<u64>)> {
        Box::pin(async move {
            let trimmed = self.stream(name)?.trim_to(bytes).await;
            trimmed.inspect_err(|error| self.doubt_unanswered(error))
        })
    }

    fn claims_trim(&self) -> Call<'_, bool> {
        Box::pin(async {
            let mut connection = self.commands()?;
            let mut command = cmd("SET");
            command.arg(self.keys.trim()).arg(1).arg("NX").arg("EX").arg(50);
            let answer: Value = command.query_async(&mut connection).await.map_err(|error| self.failed(&error))?;
            Ok(answer != Value::Nil)
        })
    }

    fn remind<'a>(&'a self, names: &'a [EventName]) -> Call<'a, ()> {
        Box::pin(async move {
            let mut connection = self.commands()?;
            let answer: Value = cmd("XRANGE")
                .arg(self.keys.names())
                .arg("-")
                .arg("+")
                .query_async(&mut connection)
                .await
                .map_err(|error| self.failed(&error))?;
            let known: HashSet<_> = self.keys.names_of(&answer)?.into_iter().map(|(_, name)| name).collect();
            let mut pipeline = redis::pipe();
            for name in names.iter().filter(|name| !known.contains(*name)) {
                pipeline.cmd("XADD").arg(self.keys.names()).arg("MAXLEN").arg("~").arg(MOST_NAMES).arg("*");
                pipeline.arg("m").arg(self.keys.meta(name)).ignore();
            }
            if pipeline.is_empty() {
                return Ok(());
            }
            pipeline.query_async(&mut connection).await.map_err(|error| self.failed(&error))
        })
    }

    fn sync(&self) -> Call<'_, ()> {
        Box::pin(async {
            let mut connection = self.commands()?;
            let answer: Value = cmd("WAITAOF")
                .arg(1)
                .arg(0)
                .arg(u64::try_from(RESPONSE_TIMEOUT.as_millis() / 2).unwrap_or(u64::MAX))
                .query_async(&mut connection)
                .await
                .map_err(|error| self.failed(&error))?;
            match answer {
                Value::Array(counts) if counts.first().is_some_and(|count| *count != Value::Int(0)) => Ok(()),
                _ => Err(StreamError::Refused("the events are not on the disk in time".to_owned())),
            }
        })
    }

    fn open(&self) -> Call<'_, Box<dyn StreamReader>> {
        Box::pin(async {
            let opened = self.instance.open().await;
            let (mut connection, driver) = opened.map_err(|error| StreamError::Unanswered(error.to_string()))?;
            connection.set_response_timeout(BLOCK + RESPONSE_TIMEOUT);
            let keys = self.keys.clone();
            let (instance, own) = (self.instance.clone(), OwnConnection { connection, driver });
            Ok(Box::new(Reader { own, keys, instance, connected: None }) as _)
        })
    }
}

/// The connection of a reader.
struct Reader {
    own: OwnConnection,
    keys: Keys,
    instance: Instance,
    /// It is connected from the first call that waits for events on: what looks at the names alone is not the link of the node.
    connected: Option<ConnectedLink>,
}

/// A connection that one task has for itself.
struct OwnConnection {
    connection: MultiplexedConnection,
    driver: Driver,
}

impl OwnConnection {
    /// Sends a command and waits for its answer. The socket is read and written in the task that waits, because a task for it would be
    /// woken for each answer, and would wake this one.
    async fn ask<'a, T, F>(&'a mut self, ask: impl FnOnce(&'a mut MultiplexedConnection) -> F) -> Result<T, StreamError>
    where
        F: Future<Output = Result<T, RedisError>> + 'a,
    {
        tokio::select! {
            biased;
            answer = ask(&mut self.connection) => answer.map_err(|error| failed(&error)),
            () = &mut self.driver => Err(StreamError::Unanswered("the connection is lost".to_owned())),
        }
    }
}

impl StreamReader for Reader {
    fn dataset(&mut self) -> Call<'_, DatasetId> {
        Box::pin(self.own.ask(|connection| DatasetId::ask(self.keys.prefix(), connection)))
    }

    fn names<'a>(&'a mut self, after: &'a NamesCursor) -> Call<'a, Vec<(NamesCursor, EventName)>> {
        Box::pin(async move {
            let mut command = cmd("XRANGE");
            command.arg(self.keys.names()).arg(format!("({after}")).arg("+");
            let answer: Value = self.own.ask(|connection| command.query_async(connection)).await?;
            self.keys.names_of(&answer)
        })
    }

    fn check<'a>(&'a mut self, names: &'a [(EventName, u64)]) -> Call<'a, Vec<Seen>> {
        Box::pin(async move {
            if names.is_empty() {
                return Ok(Vec::new());
            }
            let mut pipeline = redis::pipe();
            for (name, offset) in names {
                let events = self.keys.events(name);
                pipeline.cmd("HMGET").arg(self.keys.meta(name)).arg("e").arg("s").arg("w");
                pipeline.cmd("XRANGE").arg(&events).arg(format!("{offset}-0")).arg(format!("{offset}-0"));
                pipeline.cmd("XRANGE").arg(&events).arg("-").arg("+").arg("COUNT").arg(1);
            }
            let answers: Vec<Value> = self.own.ask(|connection| pipeline.query_async(connection)).await?;
            let mut answers = answers.into_iter();
            let seen = names.iter().map(|(_, offset)| match (answers.next(), answers.next(), answers.next()) {
                (Some(meta), Some(at_cursor), Some(first)) => seen(*offset, &meta, at_cursor, first),
                _ => Err(unexpected("the check of names")),
            });
            seen.collect()
        })
    }

    fn reset<'a>(&'a mut self, name: &'a EventName, seen: Option<Epoch>, new: Epoch) -> Call<'a, Epoch> {
        Box::pin(async move {
            let mut invocation = RESET.prepare_invoke();
            invocation.key(self.keys.meta(name)).key(self.keys.events(name)).key(self.keys.names());
            invocation.arg(seen.map(|epoch| epoch.to_string()).unwrap_or_default()).arg(new.to_string());
            let answer: Value = self.own.ask(|connection| invocation.invoke_async(connection)).await?;
            text_of(&answer).and_then(epoch_of).ok_or_else(|| unexpected("the reset script"))
        })
    }

    fn read<'a>(&'a mut self, names: &'a NamesCursor, cursors: &'a [(EventName, u64)]) -> Call<'a, Batch> {
        let instance = &self.instance;
        self.connected.get_or_insert_with(|| instance.mark_connected(Link::Reader));
        Box::pin(async move {
            let mut command = cmd("XREAD");
            let block = u64::try_from(BLOCK.as_millis()).unwrap_or(u64::MAX);
            command.arg("COUNT").arg(COUNT).arg("BLOCK").arg(block).arg("STREAMS").arg(self.keys.names());
            for (name, _) in cursors {
                command.arg(self.keys.events(name));
            }
            command.arg(names.to_string());
            for (_, offset) in cursors {
                command.arg(format!("{offset}-0"));
            }
            let answer: Value = self.own.ask(|connection| command.query_async(connection)).await?;
            let streams = match answer {
                Value::Nil => return Ok(Batch::default()),
                Value::Array(streams) => streams,
                _ => return Err(unexpected("XREAD")),
            };
            let mut batch = Batch::default();
            for stream in streams {
                let Value::Array(parts) = stream else { return Err(unexpected("XREAD")) };
                let parts = <[Value; 2]>::try_from(parts);
                let [key, found] = parts.map_err(|_| unexpected("XREAD"))?;
                let key = text_of(&key).ok_or_else(|| unexpected("XREAD"))?;
                if let Some(name) = self.keys.name_of_events(key) {
                    batch.events.push((name, entries(found)?));
                } else {
                    batch.names = self.keys.names_of(&found)?;
                }
            }
            Ok(batch)
        })
    }
}

/// The error of a command.
fn failed(error: &RedisError) -> StreamError {
    match error.kind() {
        ErrorKind::Server(_) | ErrorKind::Extension => StreamError::Refused(error.to_string()),
        ErrorKind::Parse | ErrorKind::UnexpectedReturnType => StreamError::Unexpected(error.to_string()),
        _ => StreamError::Unanswered(error.to_string()),
    }
}

/// A value that is no error.
fn value(value: Value) -> Result<Value, StreamError> {
    match value {
        Value::ServerError(error) => Err(StreamError::Refused(RedisError::from(error).to_string())),
        value => Ok(value),
    }
}
