//! What is offered to subscribers.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use crate::{Event, Position};

/// Names one way of encoding an event for the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EncodingKey(&'static str);

impl EncodingKey {
    /// Names an encoding; the same name must always stand for the same bytes.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self(name)
    }
}

/// Carries one event with its position to all its subscribers, and the encodings that they share.
#[derive(Debug)]
pub struct Delivery {
    event: Arc<Event>,
    position: Position,
    encodings: Mutex<Vec<(EncodingKey, Bytes)>>,
}

impl Delivery {
    /// Creates a delivery without encodings.
    #[must_use]
    pub fn new(event: Arc<Event>, position: Position) -> Self {
        Self { event, position, encodings: Mutex::default() }
    }

    /// Returns the event.
    #[must_use]
    pub fn event(&self) -> &Arc<Event> {
        &self.event
    }

    /// Returns its position among the events of its name.
    #[must_use]
    pub fn position(&self) -> Position {
        self.position
    }

    /// Returns the encoding of this name: the first caller encodes, the others share its bytes.
    pub fn encoded(&self, key: EncodingKey, encode: impl FnOnce(&Self) -> Bytes) -> Bytes {
        if let Some(bytes) = self.cached(key) {
            return bytes;
        }
        // No lock is held here: one encoding may be built from another.
        let bytes = encode(self);
        self.encodings.lock().unwrap_or_else(PoisonError::into_inner).push((key, bytes.clone()));
        bytes
    }

    fn cached(&self, key: EncodingKey) -> Option<Bytes> {
        let encodings = self.encodings.lock().unwrap_or_else(PoisonError::into_inner);
        encodings.iter().find(|(known, _)| *known == key).map(|(_, bytes)| bytes.clone())
    }
}

#[cfg(test)]
mod tests;
