//! The streams of a real Redis server.

mod batch;
mod confirming;
mod own_connection;
mod portion;
mod reader;
mod stream;

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{Cmd, ErrorKind, RedisError, ServerErrorKind, Value, cmd};
use signalhub_events::EventName;

pub(super) use self::batch::read_batch;
use self::confirming::{Confirming, Covers, Wanted, wait_for_disk};
use self::own_connection::OwnConnection;
use self::portion::Portion;
use self::reader::Reader;
use self::stream::Stream;
use super::keys::Keys;
use super::script::{self, MOST_NAMES, PUBLISH, SEARCHED};
use super::streams::{
    Call, Confirmation, NamesCursor, PublishAnswer, PublishCall, Range, StreamError, StreamReader, Streams,
};
use super::values::entries;
use crate::link::{Instance, RESPONSE_TIMEOUT};

/// How long a read waits for events.
const BLOCK: Duration = Duration::from_secs(1);

/// How long the answer to a read may take that asks for little: one large event comes in this time over a slow network.
const LONG_ANSWER: Duration = Duration::from_secs(10);

/// The streams of one Redis server.
pub(crate) struct Server {
    instance: Instance,
    keys: Keys,
    confirming: Confirming,
    portion: Arc<Portion>,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Server").field(self.instance.address()).finish()
    }
}

impl Server {
    pub(crate) fn new(instance: Instance, keys: Keys) -> Self {
        let confirming = Confirming::new(instance.clone(), keys.clone());
        Self { instance, keys, confirming, portion: Arc::default() }
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
        let probe: Result<Value, _> = wait_for_disk(Duration::from_millis(1)).query_async(&mut connection).await;
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

    async fn run_publish(&self, call: &PublishCall) -> Result<(PublishAnswer, Confirmation), StreamError> {
        if call.replicas == 0 && !call.durable {
            return Ok((self.write(call, self.commands()?).await?, Confirmation::default()));
        }
        let link = self.confirming.link().await?;
        let answer = self.write(call, link.connection.clone()).await?;
        let covers = match answer {
            PublishAnswer::Published { .. } | PublishAnswer::Forked { .. } => Covers::OwnWrites,
            // It may have been written on another connection.
            PublishAnswer::Duplicate { .. } => Covers::AllBefore,
            PublishAnswer::Unknown => return Ok((answer, Confirmation::default())),
        };
        let confirmed = link.confirm(Wanted { covers, replicas: call.replicas, disk: call.durable }).await;
        // It is written, whether it is confirmed or not.
        Ok((answer, confirmed.unwrap_or_default()))
    }

    /// Runs the publish script.
    async fn write(
        &self,
        call: &PublishCall,
        mut connection: MultiplexedConnection,
    ) -> Result<PublishAnswer, StreamError> {
        let command = self.publish_command(call);
        let mut answer: Result<Value, _> = command.query_async(&mut connection).await;
        if let Err(error) = &answer
            && error.kind() == ErrorKind::Server(ServerErrorKind::NoScript)
        {
            PUBLISH.load_async(&mut connection).await.map_err(|error| self.failed(&error))?;
            answer = command.query_async(&mut connection).await;
        }
        script::publish_answer(&answer.map_err(|error| self.failed(&error))?)
    }
}

/// How many entries of the stream of names are read at most. Nodes leave about half of them there; others may add more.
const READ_NAMES: usize = 2 * MOST_NAMES;

/// The command that reads the latest entries of the stream of names behind one of them, the latest first.
fn latest_names(keys: &Keys, after: &NamesCursor) -> Cmd {
    let mut command = cmd("XREVRANGE");
    command.arg(keys.names()).arg("+").arg(format!("({after}")).arg("COUNT").arg(READ_NAMES);
    command
}

/// How long the server may take to run an attempt that it has not answered.
const LATE_ATTEMPT: Duration = Duration::from_secs(60);

impl Streams for Server {
    fn publish<'a>(&'a self, publish: &'a PublishCall) -> Call<'a, (PublishAnswer, Confirmation)> {
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
            let latest = latest_names(&self.keys, &NamesCursor::default());
            let answer: Value = latest.query_async(&mut connection).await.map_err(|error| self.failed(&error))?;
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
            let link = self.confirming.link().await?;
            let wanted = Wanted { covers: Covers::AllBefore, replicas: 0, disk: true };
            if link.confirm(wanted).await?.is_durable {
                return Ok(());
            }
            Err(StreamError::Refused("the events are not on the disk in time".to_owned()))
        })
    }

    fn open(&self) -> Call<'_, Box<dyn StreamReader>> {
        Box::pin(async {
            let opened = self.instance.open_stream().await;
            let (stream, moved) = opened.map_err(|error| StreamError::Unanswered(error.to_string()))?;
            self.portion.begin();
            let mut own = OwnConnection::new(stream, moved);
            own.set_patience(BLOCK + RESPONSE_TIMEOUT);
            let (keys, portion) = (self.keys.clone(), Arc::clone(&self.portion));
            Ok(Box::new(Reader::new(own, keys, self.instance.clone(), portion)) as _)
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
