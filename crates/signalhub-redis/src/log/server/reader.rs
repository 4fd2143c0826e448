//! The connection of a reader: one `XREAD` over all names, and the checks of names.

use std::sync::Arc;

use redis::{Cmd, RedisError, Value, cmd};
use signalhub_events::{Epoch, EventName};
use tokio::time::Instant;

use super::own_connection::OwnConnection;
use super::portion::{Part, Portion};
use super::{BLOCK, LONG_ANSWER, failed, latest_names, read_batch};
use crate::dataset::DatasetId;
use crate::link::{ConnectedLink, Instance, Link, RESPONSE_TIMEOUT};
use crate::log::fork::Seen;
use crate::log::keys::Keys;
use crate::log::script::RESET;
use crate::log::streams::{Batch, Call, NamesCursor, StreamError, StreamReader};
use crate::log::values::{epoch_of, seen, text_of, unexpected};

/// The connection of a reader.
pub(super) struct Reader {
    own: OwnConnection,
    keys: Keys,
    instance: Instance,
    portion: Arc<Portion>,
    /// With which name the next read begins, if it is for a part of them.
    next_name: usize,
    /// It is connected from the second call for events on, because then what the first one brought could be read. What looks at the names
    /// alone is not the link of the node.
    connected: Option<ConnectedLink>,
    has_read: bool,
}

impl Reader {
    pub(super) fn new(own: OwnConnection, keys: Keys, instance: Instance, portion: Arc<Portion>) -> Self {
        Self { own, keys, instance, portion, next_name: 0, connected: None, has_read: false }
    }

    /// The command that reads some entries of some names. It waits for events only if it is for all names, and not at first.
    fn read_command(&self, names: &NamesCursor, cursors: &[(EventName, u64)], part: Part) -> Cmd {
        let mut command = cmd("XREAD");
        command.arg("COUNT").arg(part.of_name);
        if self.has_read && part.names >= cursors.len() {
            command.arg("BLOCK").arg(u64::try_from(BLOCK.as_millis()).unwrap_or(u64::MAX));
        }
        let chosen = || cursors.iter().cycle().skip(self.next_name).take(part.names);
        command.arg("STREAMS").arg(self.keys.names());
        for (name, _) in chosen() {
            command.arg(self.keys.events(name));
        }
        command.arg(names.to_string());
        for (_, offset) in chosen() {
            command.arg(format!("{offset}-0"));
        }
        command
    }

    async fn check_some(&mut self, names: &[(EventName, u64)]) -> Result<Vec<Result<Seen, StreamError>>, StreamError> {
        let mut pipeline = redis::pipe();
        pipeline.ignore_errors();
        for (name, offset) in names {
            let events = self.keys.events(name);
            pipeline.cmd("HMGET").arg(self.keys.meta(name)).arg("e").arg("s").arg("w");
            pipeline.cmd("XRANGE").arg(&events).arg(format!("{offset}-0")).arg(format!("{offset}-0"));
            pipeline.cmd("XRANGE").arg(&events).arg("-").arg("+").arg("COUNT").arg(1);
        }
        self.be_patient();
        let answers: Result<Vec<Value>, _> = pipeline.query_async(&mut self.own).await;
        let answers = self.answered(answers)?;
        let mut answers = answers.into_iter();
        let seen = names.iter().map(|(_, offset)| match (answers.next(), answers.next(), answers.next()) {
            (Some(meta), Some(at_cursor), Some(first)) => {
                let values = [meta, at_cursor, first];
                let other = wrong_type(&values)?;
                let [meta, at_cursor, first] = values;
                Ok(other.map_or_else(|| seen(*offset, &meta, at_cursor, first), Err))
            }
            _ => Err(unexpected("the check of names")),
        });
        seen.collect()
    }

    /// What is asked for next has events in it, which may take long over a slow network.
    fn be_patient(&mut self) {
        self.own.set_patience(if self.portion.is_small() { LONG_ANSWER } else { BLOCK + RESPONSE_TIMEOUT });
    }

    /// The answer to what has events in it. Without one, the next one asks for less.
    fn answered<T>(&self, answer: Result<T, RedisError>) -> Result<T, StreamError> {
        let answer = answer.map_err(|error| failed(&error));
        if let Err(StreamError::Unanswered(_)) = &answer {
            self.portion.failed();
        }
        answer
    }
}

impl StreamReader for Reader {
    fn dataset(&mut self) -> Call<'_, DatasetId> {
        Box::pin(async {
            let asked = DatasetId::ask(self.keys.prefix(), &mut self.own).await;
            asked.map_err(|error| failed(&error))
        })
    }

    fn names<'a>(&'a mut self, after: &'a NamesCursor) -> Call<'a, Vec<(NamesCursor, EventName)>> {
        Box::pin(async move {
            let command = latest_names(&self.keys, after);
            let answer: Result<Value, _> = command.query_async(&mut self.own).await;
            let answer = answer.map_err(|error| failed(&error))?;
            let mut names = self.keys.names_of(&answer)?;
            names.reverse();
            Ok(names)
        })
    }

    fn check<'a>(&'a mut self, names: &'a [(EventName, u64)]) -> Call<'a, Vec<Result<Seen, StreamError>>> {
        Box::pin(async move {
            let mut all = Vec::with_capacity(names.len());
            // There are up to two events in the answer for a name.
            for names in names.chunks(self.portion.entries().div_ceil(2)) {
                all.extend(self.check_some(names).await?);
            }
            Ok(all)
        })
    }

    fn reset<'a>(&'a mut self, name: &'a EventName, seen: Option<Epoch>, new: Epoch) -> Call<'a, Epoch> {
        Box::pin(async move {
            let mut invocation = RESET.prepare_invoke();
            invocation.key(self.keys.meta(name)).key(self.keys.events(name)).key(self.keys.names());
            invocation.arg(seen.map(|epoch| epoch.to_string()).unwrap_or_default()).arg(new.to_string());
            let answer: Result<Value, _> = invocation.invoke_async(&mut self.own).await;
            let answer = answer.map_err(|error| failed(&error))?;
            text_of(&answer).and_then(epoch_of).ok_or_else(|| unexpected("the reset script"))
        })
    }

    fn read<'a>(&'a mut self, names: &'a NamesCursor, cursors: &'a [(EventName, u64)]) -> Call<'a, Batch> {
        let instance = &self.instance;
        if self.has_read {
            self.connected.get_or_insert_with(|| instance.mark_connected(Link::Reader));
        }
        Box::pin(async move {
            let part = self.portion.of(cursors.len());
            let command = self.read_command(names, cursors, part);
            let begun = Instant::now();
            self.be_patient();
            let answer = self.own.ask(&command, |answer| read_batch(answer, &self.keys)).await;
            let batch = self.answered(answer)??;
            self.next_name = if part.names < cursors.len() { (self.next_name + part.names) % cursors.len() } else { 0 };
            let bytes = batch.events.iter().flat_map(|(_, entries)| entries).map(|entry| entry.data.len()).sum();
            self.portion.answered(begun, bytes, cursors.len());
            self.has_read = true;
            Ok(batch)
        })
    }
}

/// The error of a key that has another type, if one of these values is that. Any other error is one of the server.
fn wrong_type(values: &[Value]) -> Result<Option<StreamError>, StreamError> {
    let Some(error) = values.iter().find_map(|found| match found {
        Value::ServerError(error) => Some(error),
        _ => None,
    }) else {
        return Ok(None);
    };
    let refused = StreamError::Refused(RedisError::from(error.clone()).to_string());
    if error.code() == "WRONGTYPE" { Ok(Some(refused)) } else { Err(refused) }
}
