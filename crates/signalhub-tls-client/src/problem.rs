//! Why a handshake failed, in the words of a user.

use std::error::Error;
use std::io;

use rustls::{CertificateError, InvalidMessage};

/// Why a client and a server do not get to speak TLS.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TlsProblem {
    /// The certificate of the server, or one that it depends on, is too old.
    #[error("the certificate of the server has expired")]
    Expired,
    /// The certificate of the server, or one that it depends on, is not valid yet. The clock of this machine may be wrong.
    #[error("the certificate of the server is not valid yet")]
    NotValidYet,
    /// No trusted authority has issued the certificate.
    #[error("the certificate of the server is not from an authority that is trusted here")]
    UnknownIssuer,
    /// The certificate is for other hosts.
    #[error("the certificate of the server is not for \"{host}\"{}", other_names(.names))]
    WrongName {
        /// The host that was asked for.
        host: String,
        /// What the certificate is for.
        names: Vec<String>,
    },
    /// The server has answered with something else than TLS.
    #[error("the server does not speak TLS at this port")]
    NotTls,
    /// Something else, in the words of the TLS library.
    #[error("TLS failed: {0}")]
    Other(String),
}

impl TlsProblem {
    /// Looks for a failed handshake in an error and in what caused it; `None` if the cause is something else, such as a lost
    /// connection.
    pub fn of(error: &(dyn Error + 'static)) -> Option<Self> {
        if let Some(tls) = error.downcast_ref::<rustls::Error>() {
            return Some(tls.into());
        }
        // The source of an I/O error is the source of what is inside, so that this would be skipped.
        let inside = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        match inside {
            Some(inside) => Self::of(inside),
            None => Self::of(error.source()?),
        }
    }
}

impl From<&rustls::Error> for TlsProblem {
    fn from(error: &rustls::Error) -> Self {
        use CertificateError as Refused;
        match error {
            rustls::Error::InvalidCertificate(refused) => match refused {
                Refused::Expired | Refused::ExpiredContext { .. } => Self::Expired,
                Refused::NotValidYet | Refused::NotValidYetContext { .. } => Self::NotValidYet,
                // Two authorities can have the same name: then the signature is that of the other one.
                Refused::UnknownIssuer | Refused::BadSignature => Self::UnknownIssuer,
                Refused::Other(other) if matches!(other.0.downcast_ref(), Some(webpki::Error::CaUsedAsEndEntity)) => {
                    Self::UnknownIssuer
                }
                Refused::NotValidForNameContext { expected, presented } => {
                    let names = presented.iter().map(|name| bare(name).to_owned()).collect();
                    Self::WrongName { host: expected.to_str().into_owned(), names }
                }
                other => Self::Other(other.to_string()),
            },
            rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) => Self::NotTls,
            other => Self::Other(other.to_string()),
        }
    }
}

/// Returns a name without what rustls writes around it, as in `DnsName("localhost")`.
fn bare(name: &str) -> &str {
    let inside = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
    inside.unwrap_or(name).trim_matches('"')
}

fn other_names(names: &[String]) -> String {
    if names.is_empty() { String::new() } else { format!(", but for {}", names.join(", ")) }
}
