//! Why a server does not start.

use std::io;

use signalhub_dialects::printfactory::{KeyFileError, KeyStoreError};

use super::HistoryError;
use crate::cluster::ClusterError;
use crate::listener_tls::ListenerTlsError;
use crate::token_verifier::IssuerKeyError;
use crate::traces::TracesError;

/// Tells why the server did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// There is no key to check tokens with.
    #[error("neither auth.secret nor auth.issuers is configured")]
    NoSecret,
    /// The keys of an issuer cannot be used.
    #[error(transparent)]
    IssuerKeys(#[from] IssuerKeyError),
    /// The keys of PrintFactory cannot be used.
    #[error("\"dialects.printfactory.keys\": {0}")]
    MisKeys(#[from] KeyFileError),
    /// The keys of PrintFactory in Redis cannot be used.
    #[error("\"cluster.redis\": {0}")]
    SharedMisKeys(#[from] KeyStoreError),
    /// The certificate of the listeners cannot be used.
    #[error(transparent)]
    Tls(#[from] ListenerTlsError),
    /// Spans cannot be sent as the variables of OpenTelemetry say.
    #[error(transparent)]
    Traces(#[from] TracesError),
    /// The history cannot be used.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// The node cannot join its cluster.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// Without a key, only this machine is served.
    #[error(
        "will not listen on {address} ({key}) without a key: configure auth.secret (at least 32 bytes) or auth.issuers, or listen on a loopback address"
    )]
    BeyondLoopback {
        /// The configuration key that names it.
        key: &'static str,
        /// The address.
        address: String,
    },
    /// The address of the internal listener cannot be listened on.
    #[error("cannot listen on {address} (listen.internal): {error}")]
    ListenInternally {
        /// The address.
        address: String,
        /// The error of the system.
        #[source]
        error: io::Error,
    },
    /// The address of the listener for publishers cannot be listened on.
    #[error("cannot listen on {address} (publish.listen): {error}")]
    ListenForPublishers {
        /// The address.
        address: String,
        /// The error of the system.
        #[source]
        error: io::Error,
    },
    /// The address of a dialect cannot be listened on.
    #[error("cannot listen on {address} (dialects.{name}.listen): {error}")]
    ListenForDialect {
        /// The name of the dialect.
        name: &'static str,
        /// The address.
        address: String,
        /// The error of the system.
        #[source]
        error: io::Error,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {address} (listen.public): {error}")]
    Listen {
        /// The address.
        address: String,
        /// The error of the system.
        #[source]
        error: io::Error,
    },
}
