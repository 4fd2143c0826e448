//! Why a node cannot join its cluster.

use std::io;
use std::path::PathBuf;

use signalhub::connections::ClusterSecretsError;
use signalhub_redis::link::opening::{LinkError, OpenerError};
use signalhub_redis::nodes::JoinError;
use signalhub_redis::revocations::RevocationsUnavailable;
use signalhub_tls_client::CaError;

/// Why a node cannot join its cluster.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClusterError {
    /// The secrets cannot be used.
    #[error("\"cluster.secret\": {0}")]
    Secrets(#[from] ClusterSecretsError),
    /// Each node would make its own keys.
    #[error("\"cluster.redis\" needs \"auth.secret\" or \"auth.issuers\": nodes must accept the same tokens")]
    DevelopmentMode,
    /// Other nodes cannot reach it.
    #[error("\"cluster.redis\" needs \"cluster.listen\", an address at which other nodes reach this one")]
    NoListener,
    /// It has no single address.
    #[error(
        "\"cluster.listen\" has no single address: set \"cluster.advertise\" to the one at which other nodes reach it"
    )]
    NoAdvertisedAddress,
    /// TLS between nodes needs a certificate.
    #[error("\"cluster.tls\" needs \"tls.certificate\", which is not configured")]
    NoCertificate,
    /// Requests would be sent over public networks without encryption.
    #[error("\"{key}\": {address} is not private: set \"cluster.tls\", or use an address of a private network")]
    Public {
        /// The configuration key.
        key: &'static str,
        /// The address.
        address: String,
    },
    /// The name of the address is not known.
    #[error("\"cluster.advertise\": {address} cannot be resolved: {error}")]
    Unresolved {
        /// The address.
        address: String,
        /// The error of the system.
        #[source]
        error: io::Error,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {address} (cluster.listen): {error}")]
    Listen {
        /// The address.
        address: String,
        /// The error of the system.
        #[source]
        error: io::Error,
    },
    /// A file cannot be read.
    #[error("\"{key}\": {}: it cannot be read: {error}", .file.display())]
    Unreadable {
        /// The configuration key that names the file.
        key: &'static str,
        /// The file.
        file: PathBuf,
        /// The error of the system.
        #[source]
        error: io::Error,
    },
    /// The certificates in a file cannot be used.
    #[error("\"{key}\": {}: {error}", .file.display())]
    Unusable {
        /// The configuration key that names the file.
        key: &'static str,
        /// The file.
        file: PathBuf,
        /// What is wrong with them.
        #[source]
        error: CaError,
    },
    /// The list of servers cannot be used.
    #[error("\"cluster.redis\": {0}")]
    Opener(#[from] OpenerError),
    /// Redis cannot be reached or used.
    #[error("\"cluster.redis\": {0}")]
    Redis(#[from] LinkError),
    /// Not all links to Redis were connected in time.
    #[error("\"cluster.redis\": not all links to Redis could be opened within 30 s")]
    Links,
    /// The revocations of the cluster cannot be read.
    #[error("\"cluster.redis\": {0}")]
    Revocations(#[from] RevocationsUnavailable),
    /// The node does not fit to the others.
    #[error("cannot join the cluster: {0}")]
    Join(#[from] JoinError),
}
