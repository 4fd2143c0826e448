//! The certificate of a server and its private key.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use aws_lc_rs::rsa::KeyPair;
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys};

use super::validity;

/// The certificate of a server, with the certificates between it and a root, and its private key.
#[derive(Clone)]
pub struct TlsCertificate {
    pub(super) key: Arc<CertifiedKey>,
    not_after: SystemTime,
}

/// Why a certificate cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TlsCertificateError {
    /// The text for the certificate has none in PEM.
    #[error("there is no certificate in PEM in it")]
    NoCertificate,
    /// The first certificate cannot be read.
    #[error("its first certificate cannot be read")]
    InvalidCertificate,
    /// The text for the key has none in PEM.
    #[error("there is no private key in PEM in it (PKCS#8, SEC1 or PKCS#1, without a password)")]
    NoKey,
    /// The key cannot be read, or is of a kind that is not supported.
    #[error("its private key cannot be read; RSA, ECDSA and Ed25519 are supported")]
    InvalidKey,
    /// The key is RSA with less than 2048 bits.
    #[error("its RSA key has less than 2048 bits")]
    ShortKey,
    /// The key is not the one of the first certificate.
    #[error("its private key is not that of the first certificate")]
    OtherKey,
}

impl TlsCertificate {
    /// Reads a certificate chain in PEM, the server's own certificate first, and the private key of that one in PEM.
    ///
    /// # Errors
    /// If one of them is missing or cannot be read, if they do not belong together, or if the key is too short.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, TlsCertificateError> {
        let chain: Vec<_> = CertificateDer::pem_slice_iter(chain)
            .collect::<Result<_, _>>()
            .map_err(|_| TlsCertificateError::NoCertificate)?;
        let leaf = chain.first().ok_or(TlsCertificateError::NoCertificate)?;
        let not_after = validity::not_after(leaf).ok_or(TlsCertificateError::InvalidCertificate)?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| TlsCertificateError::NoKey)?;
        let signing = any_supported_type(&key).map_err(|_| unsupported(&key))?;
        let certified = CertifiedKey::new(chain, signing);
        match certified.keys_match() {
            Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => {}
            Err(Error::InconsistentKeys(_)) => return Err(TlsCertificateError::OtherKey),
            Err(_) => return Err(TlsCertificateError::InvalidCertificate),
        }
        Ok(Self { key: Arc::new(certified), not_after })
    }

    /// When the server's own certificate expires.
    pub fn not_after(&self) -> SystemTime {
        self.not_after
    }
}

/// Why a key cannot be used.
fn unsupported(key: &PrivateKeyDer<'_>) -> TlsCertificateError {
    let rsa = match key {
        PrivateKeyDer::Pkcs8(key) => KeyPair::from_pkcs8(key.secret_pkcs8_der()),
        PrivateKeyDer::Pkcs1(key) => KeyPair::from_der(key.secret_pkcs1_der()),
        _ => return TlsCertificateError::InvalidKey,
    };
    match rsa {
        Err(rejected) if rejected.to_string() == "TooSmall" => TlsCertificateError::ShortKey,
        _ => TlsCertificateError::InvalidKey,
    }
}

impl fmt::Debug for TlsCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsCertificate").field("not_after", &self.not_after).finish_non_exhaustive()
    }
}
