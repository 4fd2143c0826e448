//! Deliveries: events with their positions, as they are offered to subscribers.

use std::sync::{Arc, OnceLock};

use bytes::{Bytes, BytesMut};

use tokio::time::Instant;

use crate::event::Event;
use crate::position::Position;

/// Names one way of encoding an event for the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EncodingKey {
    name: &'static str,
    number: u64,
}

impl EncodingKey {
    /// Names an encoding; the same name must always stand for the same bytes.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self { name, number: 0 }
    }

    /// Names one of several encodings of a kind, for encodings that differ between groups of subscribers. An event keeps a list of its
    /// encodings, so they should be few.
    #[must_use]
    pub const fn numbered(self, number: u64) -> Self {
        Self { number, ..self }
    }

    /// As `==`, but one name at one place of the memory, as it mostly is, is not compared letter by letter.
    #[inline]
    fn is(self, other: Self) -> bool {
        self.number == other.number && (std::ptr::eq(self.name, other.name) || self.name == other.name)
    }
}

/// Carries one event with its position to all its subscribers, and the encodings that they share.
#[derive(Debug)]
pub struct Delivery {
    event: Arc<Event>,
    position: Position,
    accepted: Instant,
    encodings: Encodings<Bytes>,
}

impl Delivery {
    /// Creates a delivery without encodings, of an event that is published now.
    #[must_use]
    pub fn new(event: Arc<Event>, position: Position) -> Self {
        Self::accepted_at(event, position, Instant::now())
    }

    /// Creates a delivery without encodings, of an event whose publish was accepted at this time.
    pub(crate) fn accepted_at(event: Arc<Event>, position: Position, accepted: Instant) -> Self {
        Self { event, position, accepted, encodings: Encodings::default() }
    }

    /// Returns when the publish of the event was accepted. It may have waited since until there was room for it, or until it was on disk.
    #[must_use]
    pub fn accepted(&self) -> Instant {
        self.accepted
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
    pub fn encoded(&self, key: EncodingKey, encode: impl FnOnce(&Self) -> Bytes) -> &Bytes {
        self.encodings.get_or(key, || encode(self))
    }
}

/// Several deliveries that are offered together, and their joint encodings.
#[derive(Debug)]
pub struct Deliveries {
    each: Vec<Arc<Delivery>>,
    encodings: Encodings<Box<[Joined]>>,
    audience: Audience,
}

/// The encodings of some deliveries, one behind the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Joined {
    /// The encodings.
    pub bytes: Bytes,
    /// How many deliveries they are.
    pub deliveries: usize,
}

/// How many subscribers get exactly these deliveries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Audience {
    /// Several: a joint encoding is worth its cost.
    Several,
    /// One, as far as the fan-out has counted: it counts the subscribers that are offered the same set of events while it offers it, so the
    /// first one is assumed to be the only one, and so is each subscriber of a set that is not counted because there are too many sets.
    /// A joint encoding would be a copy for that subscriber alone.
    One,
}

impl Deliveries {
    /// Puts deliveries together, in this order.
    #[must_use]
    pub fn new(each: Vec<Arc<Delivery>>, audience: Audience) -> Self {
        Self { each, encodings: Encodings::default(), audience }
    }

    /// Returns how many subscribers get exactly these deliveries.
    #[must_use]
    pub fn audience(&self) -> Audience {
        self.audience
    }

    /// Returns when the publish of the first one was accepted.
    #[must_use]
    pub fn accepted(&self) -> Instant {
        self.each.first().map_or_else(Instant::now, |first| first.accepted)
    }

    /// Returns the deliveries in the order in which they are to be sent.
    #[must_use]
    pub fn each(&self) -> &[Arc<Delivery>] {
        &self.each
    }

    /// Returns the encodings of all, one behind the other, in pieces of at most `most` bytes; a longer delivery is a piece of its own.
    /// Empty encodings are left out. The first caller encodes, the others share its bytes.
    pub fn joined(&self, key: EncodingKey, most: usize, encode: impl Fn(&Delivery) -> Bytes) -> &[Joined] {
        self.encodings.get_or(key, || {
            let mut pieces = Vec::new();
            let (mut piece, mut deliveries) = (BytesMut::new(), 0);
            for delivery in &self.each {
                let bytes = delivery.encoded(key, &encode);
                if bytes.is_empty() {
                    continue;
                }
                if !piece.is_empty() && piece.len() + bytes.len() > most {
                    pieces.push(Joined { bytes: piece.split().freeze(), deliveries });
                    deliveries = 0;
                }
                piece.extend_from_slice(bytes);
                deliveries += 1;
            }
            if !piece.is_empty() {
                pieces.push(Joined { bytes: piece.freeze(), deliveries });
            }
            pieces.into()
        })
    }
}

/// What was encoded, by the name of the encoding: a list that only grows, so that reading it needs no lock.
#[derive(Debug)]
struct Encodings<T>(OnceLock<Box<Encoding<T>>>);

#[derive(Debug)]
struct Encoding<T> {
    key: EncodingKey,
    value: T,
    next: Encodings<T>,
}

impl<T> Default for Encodings<T> {
    fn default() -> Self {
        Self(OnceLock::new())
    }
}

impl<T> Encodings<T> {
    #[inline]
    fn get_or(&self, key: EncodingKey, encode: impl FnOnce() -> T) -> &T {
        self.find(key).unwrap_or_else(|_| self.add(key, encode))
    }

    /// Encodes, for all that follow.
    #[cold]
    fn add(&self, key: EncodingKey, encode: impl FnOnce() -> T) -> &T {
        // It takes its place when it is complete: one encoding may be built from another.
        let mut encoding = Some(Box::new(Encoding { key, value: encode(), next: Self::default() }));
        loop {
            match self.find(key) {
                Ok(value) => return value,
                // If another task was faster, there is a new end.
                Err(end) => encoding = encoding.and_then(|encoding| end.0.set(encoding).err()),
            }
        }
    }

    /// Finds the value, or the end of the list.
    #[inline]
    fn find(&self, key: EncodingKey) -> Result<&T, &Self> {
        let mut list = self;
        while let Some(encoding) = list.0.get() {
            if encoding.key.is(key) {
                return Ok(&encoding.value);
            }
            list = &encoding.next;
        }
        Err(list)
    }
}

#[cfg(test)]
mod tests;
