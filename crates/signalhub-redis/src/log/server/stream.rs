//! The stream of one name, from which the oldest events are removed.

use redis::aio::MultiplexedConnection;
use redis::{Cmd, Value, cmd};

use super::failed;
use crate::log::entry;
use crate::log::streams::{RawEntry, StreamError};
use crate::log::values::entries;

/// How many entries one command removes at most: Redis does nothing else meanwhile.
const TRIMMED_AT_ONCE: usize = 10_000;

/// How often entries of one name are removed in a minute, at most.
const ROUNDS: usize = 20;

/// The stream of one name.
pub(super) struct Stream {
    connection: MultiplexedConnection,
    key: String,
}

impl Stream {
    pub(super) fn new(connection: MultiplexedConnection, key: String) -> Self {
        Self { connection, key }
    }

    /// Removes the events that were created before this time, and returns how many there were.
    pub(super) async fn trim_by_age(&mut self, created_before: i64) -> Result<u64, StreamError> {
        let Some(offset) = self.first_younger(created_before).await? else { return Ok(0) };
        let mut removed = 0;
        for _ in 0..ROUNDS {
            let now = self.trim("MINID", &format!("{offset}-0")).await?;
            if now == 0 {
                break;
            }
            removed += now;
        }
        Ok(removed)
    }

    /// Removes the oldest events until the others take about this number of bytes, and returns how many were removed, and the bytes that are
    /// taken now. A server may forbid the question how many these are: then nothing is removed.
    pub(super) async fn trim_to(&mut self, bytes: u64) -> Result<(u64, Option<u64>), StreamError> {
        let (mut removed, mut usage) = (0, self.usage().await);
        for _ in 0..ROUNDS {
            let Some(taken) = usage.filter(|taken| *taken > bytes) else { break };
            let length: u64 = self.ask(cmd("XLEN").arg(&self.key)).await?;
            let keep = u128::from(length) * u128::from(bytes) / u128::from(taken);
            // Redis removes whole blocks of entries.
            let now = self.trim("MAXLEN", &keep.to_string()).await?;
            if now == 0 {
                break;
            }
            removed += now;
            usage = self.usage().await;
        }
        Ok((removed, usage))
    }

    async fn trim(&self, strategy: &str, threshold: &str) -> Result<u64, StreamError> {
        let mut command = cmd("XTRIM");
        command.arg(&self.key).arg(strategy).arg("~").arg(threshold).arg("LIMIT").arg(TRIMMED_AT_ONCE);
        self.ask(&command).await
    }

    /// The bytes that the stream takes. The server counts some blocks, and computes the rest from them.
    async fn usage(&self) -> Option<u64> {
        self.ask(cmd("MEMORY").arg("USAGE").arg(&self.key)).await.unwrap_or(None)
    }

    async fn ask<T: redis::FromRedisValue>(&self, command: &Cmd) -> Result<T, StreamError> {
        command.query_async(&mut self.connection.clone()).await.map_err(|error| failed(&error))
    }

    /// The entry at an end of the stream, or behind an offset.
    async fn entry(&self, command: &str, from: &str, to: &str) -> Result<Option<RawEntry>, StreamError> {
        let answer: Value = self.ask(cmd(command).arg(&self.key).arg(from).arg(to).arg("COUNT").arg(1)).await?;
        Ok(entries(answer)?.pop())
    }

    /// The offset of the first event that is young enough, if older ones are kept. It halves the range again and again, because the ids
    /// of entries are offsets, and only the entries themselves have times.
    async fn first_younger(&self, created_before: i64) -> Result<Option<u64>, StreamError> {
        let is_old = |entry: &RawEntry| entry::created(&entry.data).is_some_and(|created| created < created_before);
        let (first, last) = (self.entry("XRANGE", "-", "+").await?, self.entry("XREVRANGE", "+", "-").await?);
        let Some((first, last)) = first.zip(last) else { return Ok(None) };
        if !is_old(&first) {
            return Ok(None);
        }
        if is_old(&last) {
            return Ok(Some(last.offset + 1));
        }
        let (mut old, mut young) = (first.offset, last.offset);
        while old + 1 < young {
            let middle = old + (young - old) / 2;
            match self.entry("XRANGE", &format!("{middle}-0"), "+").await? {
                Some(entry) if is_old(&entry) => old = entry.offset.max(middle),
                Some(_) => young = middle,
                None => return Ok(None),
            }
        }
        Ok(Some(young))
    }
}
