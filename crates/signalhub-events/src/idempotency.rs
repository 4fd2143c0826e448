//! Idempotent publishing: what identifies a publish, so that a repeat of it publishes nothing.

mod keys;

use std::time::Duration;

use crate::event::EventId;
use crate::position::Position;

pub(crate) use keys::{Attempt, Begun, KeyReused, Keys};
pub use keys::{IdempotencyCounts, IdempotencyLimits};

/// Identifies one publish of one publisher: a digest of both, so that different publishers may use the same key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct IdempotencyKey([u8; 16]);

impl IdempotencyKey {
    /// Wraps the digest of a publisher and the key that it gave.
    #[must_use]
    pub const fn new(digest: [u8; 16]) -> Self {
        Self(digest)
    }

    /// Returns the digest.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

/// Stands for the content of a publish: a repeat has the same one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint(u64);

impl Fingerprint {
    /// Wraps a hash of the content. It must not depend on the process, because repeats may come after a restart.
    #[must_use]
    pub const fn new(hash: u64) -> Self {
        Self(hash)
    }

    /// Returns the hash.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

/// What tells a repeat of a publish from another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Idempotency {
    /// Identifies the publish.
    pub key: IdempotencyKey,
    /// Stands for its content.
    pub fingerprint: Fingerprint,
}

/// A publish with an idempotency key, and its result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoredPublish {
    /// What a repeat is recognised by.
    pub idempotency: Idempotency,
    /// The id of the event.
    pub id: EventId,
    /// The position of the event.
    pub position: Position,
    /// How long ago it was published.
    pub age: Duration,
}

impl StoredPublish {
    /// Puts one together.
    #[must_use]
    pub const fn new(idempotency: Idempotency, id: EventId, position: Position, age: Duration) -> Self {
        Self { idempotency, id, position, age }
    }
}
