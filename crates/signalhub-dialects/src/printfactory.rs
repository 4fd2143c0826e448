//! PrintFactory: push messages about jobs, devices and nests for listeners that connect with a `MisKey`.
//!
//! A listener opens a plain WebSocket at `/` with the header `MisKey` and gets one text message per event of the key's
//! organisation. It sends nothing. Events come from any publisher of the broker, or from the two REST producers on the same
//! port, which take the same keys. The page `docs/printfactory.md` compares it with the vendor's server.
//!
//! - [`declare`] adds the four events to a catalogue; their payloads are checked when they are published
//! - [`MisKeys`] are the keys, in a file that other processes may change with [`MisKeyFile`], or in a [`KeyStore`] that the nodes of a cluster share
//! - [`PrintFactory`] adds the WebSocket and the producers to a server

mod authentication;
mod connection;
mod key_file;
mod key_list;
mod keys;
mod messages;
mod mis_key;
mod organisations;
mod producers;
mod shared_keys;

use std::fmt;
use std::sync::{Arc, Mutex};

use signalhub_connections::{Endpoint, GuessLimit, Rate, Readers, Server};
use signalhub_events::Broker;

use authentication::MisKeyHeader;
use connection::Listener;
use producers::Producers;

pub use key_file::{KeyFileError, MisKeyFile};
pub use key_list::{KeyChange, KeyEntry, KeyError, Notifications};
pub use keys::{KeysError, MisKeys, Reloaded};
pub use messages::{AUTOMATION_JOB_CHANGED, DEVICE_CHANGED, EVENTS, JOB_CHANGED, NEST_CHANGED, declare};
pub use mis_key::MisKey;
pub use organisations::{ClaimNumber, ClaimsUnavailable, OrganisationClaim, OrganisationClaims, SecondConnection};
pub use shared_keys::{KeyStore, KeyStoreError, Replacement};

/// The path at which listeners connect.
pub const PATH: &str = "/";

/// How many bytes the body of a producer's request may have, by default.
const BODY_SIZE: usize = 64 * 1024;

/// The dialect: what its listener serves.
pub struct PrintFactory {
    broker: Broker,
    keys: MisKeys,
    second: SecondConnection,
    claims: Option<Arc<dyn OrganisationClaims>>,
    guesses: Option<GuessLimit>,
    readers: Vec<Readers>,
    maximum_body_size: usize,
    publish_rate: Option<Rate>,
}

impl PrintFactory {
    /// Serves the events of this broker, whose catalogue [declares](declare) those of the dialect, to the owners of these keys.
    pub fn new(broker: Broker, keys: MisKeys) -> Self {
        Self {
            broker,
            keys,
            second: SecondConnection::default(),
            claims: None,
            guesses: None,
            readers: Vec::new(),
            maximum_body_size: BODY_SIZE,
            publish_rate: None,
        }
    }

    /// Sets what happens when a connected organisation connects once more.
    #[must_use]
    pub fn second_connection(self, second: SecondConnection) -> Self {
        Self { second, ..self }
    }

    /// Shares which organisations are connected with the other nodes of a cluster, so that each has one connection at all of them
    /// together. All nodes must have the same [`second_connection`](Self::second_connection).
    ///
    /// A node that cannot reach the store decides alone. Its connections claim their organisations when the store is back; of two
    /// connections that were accepted meanwhile, one is closed with 4409: the older one, or with [`SecondConnection::Refuse`] the
    /// one that is claimed later. The server must be [mounted](Self::mount) in a runtime.
    #[must_use]
    pub fn in_cluster(self, claims: Arc<dyn OrganisationClaims>) -> Self {
        Self { claims: Some(claims), ..self }
    }

    /// Limits how many wrong keys may come from one address, at the WebSocket and the producers together.
    #[must_use]
    pub fn guess_limit(self, guesses: GuessLimit) -> Self {
        Self { guesses: Some(guesses), ..self }
    }

    /// Sets the slow clients that the REST producers wait for, for at most a second.
    #[must_use]
    pub fn waiting_for(self, readers: impl IntoIterator<Item = Readers>) -> Self {
        Self { readers: readers.into_iter().collect(), ..self }
    }

    /// Sets how many bytes the body of a producer's request may have, 64 KiB by default.
    #[must_use]
    pub fn maximum_body_size(self, bytes: usize) -> Self {
        Self { maximum_body_size: bytes, ..self }
    }

    /// Limits how many requests each key may send to the producers; there is no limit by default.
    #[must_use]
    pub fn publish_rate(self, rate: Rate) -> Self {
        Self { publish_rate: Some(rate), ..self }
    }

    /// Adds the WebSocket and the producers to a server. `configure` sets the limits of the WebSocket.
    #[must_use]
    pub fn mount(&self, server: Server, configure: impl FnOnce(Endpoint) -> Endpoint) -> Server {
        if let Some(claims) = &self.claims {
            self.keys.organisations().share(Arc::clone(claims), self.second);
        }
        let header = MisKeyHeader::new(self.keys.clone(), self.second);
        let endpoint = configure(Endpoint::new(Listener::new(self.broker.clone(), self.keys.clone())));
        let endpoint = endpoint.authenticate(header).upgrades_only();
        let endpoint = self.guesses.iter().cloned().fold(endpoint, Endpoint::guess_limit);
        let producers = Producers {
            broker: self.broker.clone(),
            keys: self.keys.clone(),
            counts: server.connections(),
            guesses: self.guesses.clone(),
            readers: self.readers.clone(),
            maximum_body_size: self.maximum_body_size,
            rate: self.publish_rate,
            allowances: Mutex::default(),
        };
        server.endpoint(PATH, endpoint).otherwise(producers)
    }
}

impl fmt::Debug for PrintFactory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrintFactory").field("keys", &self.keys).field("second", &self.second).finish_non_exhaustive()
    }
}
