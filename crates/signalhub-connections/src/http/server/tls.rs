//! TLS: the certificate of a server, and how its handshakes are done.

pub(crate) mod certificate;
pub(crate) mod client_auth;
pub(crate) mod client_certificate;
mod validity;

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ServerConfig, SupportedProtocolVersion};
use tokio_rustls::TlsAcceptor;

use self::certificate::TlsCertificate;
use self::client_auth::{ClientAuth, ClientAuthorities, ClientVerifier};

/// How long a handshake may take, by default.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// The protocol of ALPN that is offered (RFC 7301).
const HTTP_1_1: &[u8] = b"http/1.1";

/// The TLS of a server: its certificate, and how handshakes are done. Clones share the certificate and the counts.
///
/// TLS 1.2 and 1.3 are accepted, with HTTP/1.1. Tickets resume sessions, and nothing is stored for them. There is no early
/// data (0-RTT), because it can be replayed.
///
/// ```no_run
/// # use signalhub_connections::{Server, Tls, TlsCertificate};
/// # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let certificate = TlsCertificate::from_pem(&std::fs::read("chain.pem")?, &std::fs::read("key.pem")?)?;
/// let tls = Tls::new(certificate);
/// let server = Server::bind("0.0.0.0:443").await?.tls(&tls)?;
/// // Later, for the handshakes that follow; open connections are not affected:
/// let renewed = TlsCertificate::from_pem(&std::fs::read("chain.pem")?, &std::fs::read("key.pem")?)?;
/// tls.replace_certificate(renewed);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Tls {
    certificate: Arc<CurrentCertificate>,
    counts: Arc<HandshakeCounts>,
    minimum_version: TlsVersion,
    handshake_timeout: Duration,
    client_verifier: Option<ClientVerifier>,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum TlsVersion {
    /// TLS 1.2.
    #[default]
    Tls12,
    /// TLS 1.3.
    Tls13,
}

impl TlsVersion {
    /// This version and the later ones.
    fn and_later(self) -> Vec<&'static SupportedProtocolVersion> {
        match self {
            Self::Tls12 => vec![&rustls::version::TLS13, &rustls::version::TLS12],
            Self::Tls13 => vec![&rustls::version::TLS13],
        }
    }
}

/// How many TLS handshakes have ended, by outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TlsHandshakes {
    /// They succeeded.
    pub completed: u64,
    /// The client sent something else, offered nothing that the server accepts, or refused the certificate.
    pub failed: u64,
    /// They took too long.
    pub timed_out: u64,
}

#[derive(Debug, Default)]
pub(super) struct HandshakeCounts {
    pub(super) completed: AtomicU64,
    pub(super) failed: AtomicU64,
    pub(super) timed_out: AtomicU64,
}

/// The certificate that the next handshake uses.
struct CurrentCertificate(RwLock<Arc<CertifiedKey>>);

impl Tls {
    /// TLS with this certificate.
    pub fn new(certificate: TlsCertificate) -> Self {
        Self {
            certificate: Arc::new(CurrentCertificate(RwLock::new(certificate.key))),
            counts: Arc::default(),
            minimum_version: TlsVersion::default(),
            handshake_timeout: HANDSHAKE_TIMEOUT,
            client_verifier: None,
        }
    }

    /// Sets the oldest version that is accepted, TLS 1.2 by default.
    #[must_use]
    pub fn minimum_version(mut self, version: TlsVersion) -> Self {
        self.minimum_version = version;
        self
    }

    /// Sets how long a handshake may take, 10 s by default. Then its socket is closed.
    #[must_use]
    pub fn handshake_timeout(mut self, timeout: Duration) -> Self {
        self.handshake_timeout = timeout;
        self
    }

    /// Asks clients for a certificate that one of these authorities signed, and adds a
    /// [`ClientCertificate`](client_certificate::ClientCertificate) to the extensions of the requests of those that have
    /// one. By default clients are not asked.
    ///
    /// Sessions are then not resumed, because the certificate of a resumed session is not verified again: it may have expired.
    #[must_use]
    pub fn client_certificates(mut self, authorities: &ClientAuthorities, auth: ClientAuth) -> Self {
        self.client_verifier = Some(ClientVerifier { authorities: authorities.clone(), auth });
        self
    }

    /// Uses another certificate for the handshakes that follow. Open connections are not affected.
    pub fn replace_certificate(&self, certificate: TlsCertificate) {
        *self.certificate.0.write().unwrap_or_else(PoisonError::into_inner) = certificate.key;
    }

    /// The counts of handshakes, over all servers that use this TLS.
    pub fn handshakes(&self) -> TlsHandshakes {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        TlsHandshakes {
            completed: read(&self.counts.completed),
            failed: read(&self.counts.failed),
            timed_out: read(&self.counts.timed_out),
        }
    }

    /// What performs handshakes for one server.
    pub(super) fn acceptor(&self) -> io::Result<Acceptor> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&self.minimum_version.and_later())
            .map_err(io::Error::other)?;
        let resolver: Arc<dyn ResolvesServerCert> = Arc::clone(&self.certificate) as _;
        let builder = match &self.client_verifier {
            Some(verifier) => builder.with_client_cert_verifier(Arc::new(verifier.clone())),
            None => builder.with_no_client_auth(),
        };
        let mut config = builder.with_cert_resolver(resolver);
        config.alpn_protocols = vec![HTTP_1_1.to_vec()];
        if self.client_verifier.is_some() {
            // A session that is resumed would bring a certificate that is not verified again.
            config.send_tls13_tickets = 0;
        } else {
            // Tickets hold the session, so that nothing is stored for a client.
            config.ticketer = rustls::crypto::aws_lc_rs::Ticketer::new().map_err(io::Error::other)?;
        }
        config.session_storage = Arc::new(NoServerSessionStorage {});
        Ok(Acceptor {
            rustls: Arc::new(config).into(),
            counts: Arc::clone(&self.counts),
            timeout: self.handshake_timeout,
        })
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("minimum_version", &self.minimum_version).finish_non_exhaustive()
    }
}

impl ResolvesServerCert for CurrentCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl fmt::Debug for CurrentCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CurrentCertificate")
    }
}

/// Performs the handshakes of one server.
pub(super) struct Acceptor {
    pub(super) rustls: TlsAcceptor,
    pub(super) counts: Arc<HandshakeCounts>,
    pub(super) timeout: Duration,
}
