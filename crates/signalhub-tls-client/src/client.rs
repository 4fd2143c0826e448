//! The configuration of a client, and its handshakes.

use std::fmt;
use std::io;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::problem::TlsProblem;
use crate::verifier::Verifier;

/// How a client does TLS: 1.2 and 1.3, with servers whose certificate a trusted authority has issued. Clones share sessions.
#[derive(Clone)]
pub struct TlsClient {
    config: Arc<ClientConfig>,
    verifier: Arc<Verifier>,
}

/// Why certificates of authorities cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CaError {
    /// There is no certificate in the PEM.
    #[error("it has no certificate in PEM")]
    NoCertificate,
    /// A part of the PEM is no certificate.
    #[error("it has a certificate that cannot be read")]
    InvalidCertificate,
}

impl TlsClient {
    /// Trusts the authorities that the system trusts; the variables `SSL_CERT_FILE` and `SSL_CERT_DIR` name others. If the
    /// system has none, every server is refused.
    ///
    /// Reads files, which takes some milliseconds.
    pub fn with_system_roots() -> Self {
        let mut roots = RootCertStore::empty();
        // The system may have some that cannot be read; they are not trusted.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        Self::trusting(roots, Vec::new())
    }

    /// Trusts these authorities alone, as `curl --cacert` does: certificates in PEM. A certificate that a server has made for
    /// itself can be one of them.
    ///
    /// # Errors
    /// If there is no certificate, or one that cannot be read.
    pub fn with_ca(pem: &[u8]) -> Result<Self, CaError> {
        let certificates = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
        let certificates = certificates.map_err(|_| CaError::InvalidCertificate)?;
        if certificates.is_empty() {
            return Err(CaError::NoCertificate);
        }
        let mut roots = RootCertStore::empty();
        for certificate in &certificates {
            roots.add(certificate.clone()).map_err(|_| CaError::InvalidCertificate)?;
        }
        Ok(Self::trusting(roots, certificates))
    }

    fn trusting(roots: RootCertStore, certificates: Vec<CertificateDer<'static>>) -> Self {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier = Arc::new(Verifier::new(roots, certificates, provider.signature_verification_algorithms));
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the provider has cipher suites for TLS 1.2 and 1.3");
        // The verifier adds one case to that of rustls.
        let builder = builder.dangerous().with_custom_certificate_verifier(Arc::clone(&verifier) as _);
        Self { config: Arc::new(builder.with_no_client_auth()), verifier }
    }

    /// The configuration for other users of rustls, without ALPN.
    pub fn config(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.config)
    }

    /// Performs the handshake with a server, whose certificate must be for this name or IP address.
    ///
    /// # Errors
    /// If the host is neither a name nor an IP address, or the handshake fails: see [`TlsProblem::of`].
    pub async fn connect(&self, host: &str, socket: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        TlsConnector::from(self.config()).connect(server_name(host)?, socket).await
    }

    /// Tells whether a server with this chain of certificates, in PEM and its own first, would be accepted now.
    ///
    /// # Errors
    /// Why it would not be.
    pub fn accepts(&self, chain: &[u8], host: &str) -> Result<(), TlsProblem> {
        let unusable = |error: &dyn fmt::Display| TlsProblem::Other(error.to_string());
        let chain = CertificateDer::pem_slice_iter(chain).collect::<Result<Vec<_>, _>>();
        let chain = chain.map_err(|_| unusable(&CaError::InvalidCertificate))?;
        let (leaf, between) = chain.split_first().ok_or_else(|| unusable(&CaError::NoCertificate))?;
        let host = server_name(host).map_err(|error| unusable(&error))?;
        self.verifier.verify(leaf, between, &host, UnixTime::now()).map_err(|error| TlsProblem::from(&error))
    }
}

/// Reads a host as URLs have it, with an IPv6 address in brackets.
fn server_name(host: &str) -> io::Result<ServerName<'static>> {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    ServerName::try_from(bare.to_owned()).map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))
}

impl fmt::Debug for TlsClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsClient")
    }
}

#[cfg(test)]
mod tests;
