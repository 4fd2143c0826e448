//! A connection that one task has for itself.
//!
//! That task sends commands and reads the answers, without another one for the socket, which would be woken for each answer and would
//! wake this one. It sees the bytes of an answer, so that events are read from them.

use std::io;
use std::time::Duration;

use redis::aio::ConnectionLike;
use redis::{Cmd, ErrorKind, Pipeline, RedisError, RedisFuture, RedisResult, Value, parse_redis_value};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use crate::link::RESPONSE_TIMEOUT;
use crate::link::opening::{Driver, Stream};
use crate::resp::{AnswerEnd, Malformed};

/// How long the answers to what is asked at once may be. It is far more than a reader asks for at once, unless its events are very large: then it asks for fewer.
const LONGEST_ANSWER: usize = 256 << 20;

/// How many bytes there is room for before the socket is read.
const ROOM: usize = 16 << 10;

/// How much of the memory of a long answer is kept for the next one.
const KEPT: usize = 256 << 10;

/// A connection that one task has for itself. After an error of the connection, each call fails.
pub(super) struct OwnConnection {
    stream: Box<dyn Stream>,
    /// Ends when the primary is another server.
    moved: Driver,
    /// What was received and is not read yet.
    received: Vec<u8>,
    /// How long an answer may take.
    patience: Duration,
    /// Whether no answer is outstanding.
    is_in_step: bool,
}

impl OwnConnection {
    /// A connection to a server, which ends when this future does.
    pub(super) fn new(stream: Box<dyn Stream>, moved: Driver) -> Self {
        Self { stream, moved, received: Vec::new(), patience: RESPONSE_TIMEOUT, is_in_step: true }
    }

    /// Sets how long the answers of the next commands may take.
    pub(super) fn set_patience(&mut self, patience: Duration) {
        self.patience = patience;
    }

    /// Sends a command, and lets the bytes of its answer be read.
    pub(super) async fn ask<T>(&mut self, command: &Cmd, read: impl FnMut(&[u8]) -> T) -> Result<T, RedisError> {
        let mut values = self.exchange(&command.get_packed_command(), 1, read).await?;
        values.pop().ok_or_else(|| lost().into())
    }

    /// Sends commands, and reads this number of answers.
    async fn exchange<T>(
        &mut self,
        commands: &[u8],
        answers: usize,
        mut read: impl FnMut(&[u8]) -> T,
    ) -> Result<Vec<T>, RedisError> {
        if !std::mem::replace(&mut self.is_in_step, false) {
            return Err(lost().into());
        }
        let Self { stream, moved, received, patience, .. } = self;
        let exchanged = async {
            stream.write_all(commands).await?;
            stream.flush().await?;
            let (mut values, mut start) = (Vec::with_capacity(answers), 0);
            for _ in 0..answers {
                let length = receive(stream, received, start).await?;
                values.push(read(&received[start..start + length]));
                start += length;
            }
            Ok::<_, RedisError>((values, start))
        };
        let exchanged = tokio::select! {
            biased;
            exchanged = timeout(*patience, exchanged) => exchanged,
            () = moved => return Err(io::Error::other("the primary is another server").into()),
        };
        let (values, read) = exchanged.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        if read != self.received.len() {
            return Err(malformed("the server sends more than was asked for"));
        }
        self.received.clear();
        self.received.shrink_to(KEPT);
        self.is_in_step = true;
        Ok(values)
    }
}

/// Receives until there is a whole answer at a place, and returns its length.
async fn receive(stream: &mut Box<dyn Stream>, received: &mut Vec<u8>, start: usize) -> Result<usize, RedisError> {
    let mut end = AnswerEnd::default();
    loop {
        let found = end.find(&received[start..]).map_err(|error: Malformed| malformed(error.to_string()))?;
        if let Some(length) = found {
            return Ok(length);
        }
        if received.len() >= LONGEST_ANSWER {
            // As if it had not come: the next read asks for less.
            return Err(io::Error::other("the answer is too long").into());
        }
        if received.capacity() - received.len() < ROOM {
            received.reserve(ROOM.max(received.len()));
        }
        if stream.read_buf(received).await? == 0 {
            return Err(lost().into());
        }
    }
}

fn lost() -> io::Error {
    io::ErrorKind::UnexpectedEof.into()
}

fn malformed(text: impl Into<String>) -> RedisError {
    RedisError::from((ErrorKind::Parse, "the answer cannot be read", text.into()))
}

impl ConnectionLike for OwnConnection {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        Box::pin(async { self.ask(command, parse_redis_value).await? })
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        Box::pin(async move {
            let answers = self.exchange(&pipeline.get_packed_pipeline(), offset + count, parse_redis_value).await?;
            answers.into_iter().skip(offset).collect::<RedisResult<_>>()
        })
    }

    fn get_db(&self) -> i64 {
        0
    }
}

#[cfg(test)]
mod tests;
