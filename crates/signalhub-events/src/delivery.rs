//! What is offered to subscribers.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Bytes, BytesMut};

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
    encodings: Encodings<Bytes>,
}

impl Delivery {
    /// Creates a delivery without encodings.
    #[must_use]
    pub fn new(event: Arc<Event>, position: Position) -> Self {
        Self { event, position, encodings: Encodings::default() }
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
        self.encodings.get_or(key, || encode(self))
    }
}

/// Carries several deliveries to the subscribers that get just these together, and their joint encodings.
#[derive(Debug)]
pub struct Deliveries {
    each: Vec<Arc<Delivery>>,
    encodings: Encodings<Arc<[Bytes]>>,
}

impl Deliveries {
    /// Puts deliveries together, in this order.
    #[must_use]
    pub fn new(each: Vec<Arc<Delivery>>) -> Self {
        Self { each, encodings: Encodings::default() }
    }

    /// Returns the deliveries in the order in which they are to be sent.
    #[must_use]
    pub fn each(&self) -> &[Arc<Delivery>] {
        &self.each
    }

    /// Returns the encodings of all, one behind the other: in pieces of at most so many bytes each, or of one delivery
    /// that is longer. The first caller encodes, the others share its bytes.
    pub fn joined(&self, key: EncodingKey, most: usize, encode: impl Fn(&Delivery) -> Bytes) -> Arc<[Bytes]> {
        self.encodings.get_or(key, || {
            let mut pieces = Vec::new();
            let mut piece = BytesMut::new();
            for delivery in &self.each {
                let bytes = delivery.encoded(key, &encode);
                if bytes.is_empty() {
                    continue;
                }
                if !piece.is_empty() && piece.len() + bytes.len() > most {
                    pieces.push(piece.split().freeze());
                }
                piece.extend_from_slice(&bytes);
            }
            if !piece.is_empty() {
                pieces.push(piece.freeze());
            }
            pieces.into()
        })
    }
}

/// What was encoded, by the name of the encoding.
#[derive(Debug)]
struct Encodings<T>(Mutex<Vec<(EncodingKey, T)>>);

impl<T> Default for Encodings<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Clone> Encodings<T> {
    fn get_or(&self, key: EncodingKey, encode: impl FnOnce() -> T) -> T {
        if let Some(encoded) = self.get(key) {
            return encoded;
        }
        // No lock is held here: one encoding may be built from another.
        let encoded = encode();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push((key, encoded.clone()));
        encoded
    }

    fn get(&self, key: EncodingKey) -> Option<T> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.iter().find(|(name, _)| *name == key).map(|(_, encoded)| encoded.clone())
    }
}

#[cfg(test)]
mod tests;
