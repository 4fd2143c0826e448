//! The names of the keys in Redis.

use redis::Value;
use signalhub_events::{EventId, EventName, IdempotencyKey};

use super::streams::{NamesCursor, StreamError};
use super::values::{field, raw_entries, text_of, unexpected};
use crate::dataset::DatasetId;

/// The names of the keys.
#[derive(Debug, Clone)]
pub(super) struct Keys {
    prefix: String,
}

impl Keys {
    pub(super) fn new(prefix: impl Into<String>) -> Self {
        Self { prefix: prefix.into() }
    }

    pub(super) fn meta(&self, name: &EventName) -> String {
        format!("{}m:{name}", self.prefix)
    }

    pub(super) fn events(&self, name: &EventName) -> String {
        format!("{}e:{name}", self.prefix)
    }

    pub(super) fn names(&self) -> String {
        format!("{}names", self.prefix)
    }

    /// What identifies the data of the server.
    pub(super) fn instance(&self) -> String {
        DatasetId::key(&self.prefix)
    }

    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    pub(super) fn idempotency(&self, key: &IdempotencyKey) -> String {
        let hash: String = key.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{}k:{hash}", self.prefix)
    }

    /// The key that the repeat of a publish without an idempotency key writes.
    pub(super) fn late_attempt(&self, id: EventId) -> String {
        format!("{}k:{id}", self.prefix)
    }

    /// What the nodes take turns with to remove old events.
    pub(super) fn trim(&self) -> String {
        format!("{}trim", self.prefix)
    }

    /// What a node writes before it waits for everything that was written before.
    pub(super) fn sync(&self) -> String {
        format!("{}sync", self.prefix)
    }

    /// The channel on which a node gets the answers of others.
    pub(super) fn answers(&self, node: &str) -> String {
        format!("{}r:{node}", self.prefix)
    }

    fn name_of_meta(&self, key: &str) -> Option<EventName> {
        key.strip_prefix(&self.prefix)?.strip_prefix("m:")?.parse().ok()
    }

    pub(super) fn name_of_events(&self, key: &str) -> Option<EventName> {
        key.strip_prefix(&self.prefix)?.strip_prefix("e:")?.parse().ok()
    }

    /// Reads entries of the stream of names.
    pub(super) fn names_of(&self, answer: &Value) -> Result<Vec<(NamesCursor, EventName)>, StreamError> {
        let mut names = Vec::new();
        for (id, fields) in raw_entries(answer)? {
            let cursor = id.parse().map_err(|()| unexpected("the stream of names"))?;
            let key = field(fields, "m").and_then(text_of);
            // What is no name of an event was not written by a node.
            names.extend(key.and_then(|key| self.name_of_meta(key)).map(|name| (cursor, name)));
        }
        Ok(names)
    }
}
