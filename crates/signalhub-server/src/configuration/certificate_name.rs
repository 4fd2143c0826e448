//! What a client certificate is recognised by.

use std::fmt;

use signalhub::connections::ClientCertificate;

use super::KeyDigest;
use super::setting::{Given, Setting, quoted};

/// How a fingerprint begins.
const FINGERPRINT: &str = "sha256:";

/// A name or the fingerprint of a client certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateName {
    /// A DNS name among its subject alternative names, regardless of case.
    Dns(String),
    /// A URI among its subject alternative names, compared exactly.
    Uri(String),
    /// The SHA-256 of its DER.
    Sha256([u8; 32]),
}

impl CertificateName {
    /// Reads a name; `None` if it is neither a DNS name without wildcard nor a URI nor a fingerprint.
    pub fn new(text: &str) -> Option<Self> {
        if let Some(digits) = text.strip_prefix(FINGERPRINT) {
            // OpenSSL separates the bytes by colons.
            return KeyDigest::from_hex(&digits.replace(':', "")).map(|digest| Self::Sha256(*digest.bytes()));
        }
        if text.contains(':') {
            let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic());
            return (is_plain && !text.starts_with(':')).then(|| Self::Uri(text.to_owned()));
        }
        let is_label = |label: &str| {
            !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        };
        (text.len() <= 253 && text.split('.').all(is_label)).then(|| Self::Dns(text.to_owned()))
    }

    /// Tells whether a certificate has this name or fingerprint.
    pub(crate) fn is_of(&self, certificate: &ClientCertificate) -> bool {
        match self {
            Self::Dns(name) => certificate.dns_names().any(|other| other.eq_ignore_ascii_case(name)),
            Self::Uri(uri) => certificate.uris().any(|other| other == uri),
            Self::Sha256(digest) => certificate.sha256() == digest,
        }
    }
}

impl fmt::Display for CertificateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns(name) | Self::Uri(name) => f.write_str(name),
            Self::Sha256(digest) => {
                f.write_str(FINGERPRINT)?;
                digest.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }
    }
}

impl Setting for CertificateName {
    const EXPECTED: &'static str = "a DNS name such as \"billing.acme.internal\", a URI such as \"spiffe://acme/billing\", or \"sha256:\" and 64 hexadecimal digits";

    fn parse(given: &Given<'_>) -> Option<Self> {
        Self::new(given.text()?)
    }

    fn written(&self) -> String {
        quoted(&self.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_uris_and_fingerprints_are_told_apart() {
        let digits = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let openssl: Vec<_> =
            digits.to_uppercase().as_bytes().chunks(2).map(|pair| String::from_utf8(pair.to_vec()).unwrap()).collect();
        for (text, expected) in [
            ("billing.acme.internal", Some("billing.acme.internal")),
            ("billing", Some("billing")),
            ("spiffe://acme/billing", Some("spiffe://acme/billing")),
            ("urn:uuid:1", Some("urn:uuid:1")),
            (&format!("sha256:{digits}"), Some(&*format!("sha256:{digits}"))),
            (&format!("sha256:{}", openssl.join(":")), Some(&*format!("sha256:{digits}"))),
            ("", None),
            ("*.acme.internal", None),
            ("acme..internal", None),
            (".acme", None),
            ("a b", None),
            ("spiffe://acme/a b", None),
            ("://acme", None),
            ("sha256:", None),
            ("sha256:ba78", None),
        ] {
            assert_eq!(CertificateName::new(text).map(|name| name.to_string()).as_deref(), expected, "{text}");
        }
    }
}
