//! Which client certificates are accepted.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme};

/// The authorities whose client certificates are accepted. Clones share them, so that they can be replaced while a server
/// runs.
#[derive(Clone)]
pub struct ClientAuthorities(Arc<RwLock<Arc<dyn ClientCertVerifier>>>);

/// Whether clients must present a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientAuth {
    /// Clients may present one. One that is not accepted fails the handshake.
    Optional,
    /// A handshake without one fails.
    Required,
}

/// Why a text has no authorities that can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClientAuthoritiesError {
    /// It has no certificate in PEM.
    #[error("there is no certificate in PEM in it")]
    NoCertificate,
    /// One of its certificates cannot be read.
    #[error("one of its certificates cannot be read")]
    InvalidCertificate,
}

impl ClientAuthorities {
    /// Reads the certificates of one or more authorities in PEM.
    ///
    /// # Errors
    /// If there is none, or one of them cannot be read.
    pub fn from_pem(certificates: &[u8]) -> Result<Self, ClientAuthoritiesError> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(certificates) {
            let certificate = certificate.map_err(|_| ClientAuthoritiesError::InvalidCertificate)?;
            roots.add(certificate).map_err(|_| ClientAuthoritiesError::InvalidCertificate)?;
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
        let verifier = verifier.build().map_err(|_| ClientAuthoritiesError::NoCertificate)?;
        Ok(Self(Arc::new(RwLock::new(verifier))))
    }

    /// Uses other authorities for the handshakes that follow. Open connections are not affected.
    pub fn replace(&self, other: &Self) {
        let other = other.current();
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = other;
    }

    fn current(&self) -> Arc<dyn ClientCertVerifier> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for ClientAuthorities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientAuthorities")
    }
}

/// Verifies client certificates with the authorities of the moment.
#[derive(Clone, Debug)]
pub(super) struct ClientVerifier {
    pub(super) authorities: ClientAuthorities,
    pub(super) auth: ClientAuth,
}

impl ClientCertVerifier for ClientVerifier {
    fn client_auth_mandatory(&self) -> bool {
        self.auth == ClientAuth::Required
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        // Without hints clients present the certificate that they have, and strangers do not learn the names of authorities.
        &[]
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.authorities.current().verify_client_cert(certificate, chain, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.authorities.current().verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.authorities.current().verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.authorities.current().supported_verify_schemes()
    }
}
