//! What a publisher asks of one publish.

use crate::idempotency_key::IdempotencyKey;
use crate::wait::Wait;

/// What a publisher asks of one publish to a hub: by default a new [`IdempotencyKey`] and [`Wait::Accepted`].
#[derive(Debug, Clone, Default)]
pub struct PublishOptions {
    key: KeyChoice,
    wait: Wait,
}

#[derive(Debug, Clone, Default)]
enum KeyChoice {
    #[default]
    New,
    Given(IdempotencyKey),
    Off,
}

impl PublishOptions {
    /// Creates the default options.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Publishes with this key. A publisher that stores the key beside its own data can repeat a publish after a restart of its own. Use
    /// a key for one event only: the hub refuses another one with 422 `idempotency_key_reused`.
    #[must_use]
    pub fn with_idempotency_key(self, key: IdempotencyKey) -> Self {
        Self { key: KeyChoice::Given(key), ..self }
    }

    /// Publishes without a key. The publish is then tried again only if no connection was made, because the hub would publish a repeat
    /// a second time.
    #[must_use]
    pub fn without_idempotency_key(self) -> Self {
        Self { key: KeyChoice::Off, ..self }
    }

    /// Sets what the hub waits for before it answers. If it is more than [`Wait::Accepted`], the time for an answer
    /// ([`Notifier::with_timeout`](crate::Notifier::with_timeout)) must be longer than the hub's `publish.wait_timeout`.
    #[must_use]
    pub fn with_wait(self, wait: Wait) -> Self {
        Self { wait, ..self }
    }

    /// Returns the key of a publish.
    pub(super) fn key(&self) -> Option<IdempotencyKey> {
        match &self.key {
            KeyChoice::New => Some(IdempotencyKey::random()),
            KeyChoice::Given(key) => Some(key.clone()),
            KeyChoice::Off => None,
        }
    }

    /// Returns what the hub waits for.
    pub(super) fn wait(&self) -> Wait {
        self.wait
    }

    /// Returns the option that a broker in the same process does not have, if there is one.
    #[cfg(feature = "broker")]
    pub(super) fn of_hubs_only(&self) -> Option<&'static str> {
        match (&self.key, self.wait) {
            (KeyChoice::Given(_), _) => Some("idempotency key"),
            (_, Wait::Durable | Wait::Matched | Wait::Delivered) => Some("wait"),
            (KeyChoice::New | KeyChoice::Off, Wait::Accepted) => None,
        }
    }
}
