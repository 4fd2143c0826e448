//! The certificate of a client.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use aws_lc_rs::digest;
use rustls::pki_types::CertificateDer;
use webpki::EndEntityCert;

use super::validity;

/// The certificate that the client of a request presented, among the extensions of the request.
///
/// An authority of the server signed it, and it was valid when the connection was opened. Names count if they are among its
/// subject alternative names; its subject is not looked at.
#[derive(Clone)]
pub struct ClientCertificate(Arc<Content>);

struct Content {
    dns_names: Vec<Box<str>>,
    uris: Vec<Box<str>>,
    sha256: [u8; 32],
    not_after: SystemTime,
}

impl ClientCertificate {
    /// Reads a certificate that was verified; `None` if its names or the end of its validity cannot be read.
    pub(in crate::http::server) fn read(certificate: &CertificateDer<'_>) -> Option<Self> {
        let names = EndEntityCert::try_from(certificate).ok()?;
        let mut sha256 = [0; 32];
        sha256.copy_from_slice(digest::digest(&digest::SHA256, certificate).as_ref());
        Some(Self(Arc::new(Content {
            dns_names: names.valid_dns_names().map(Into::into).collect(),
            uris: names.valid_uri_names().map(Into::into).collect(),
            sha256,
            not_after: validity::not_after(certificate)?,
        })))
    }

    /// Its DNS names. One that begins with `*.` stands for others in certificates of servers.
    pub fn dns_names(&self) -> impl Iterator<Item = &str> {
        self.0.dns_names.iter().map(|name| &**name)
    }

    /// Its URIs, such as SPIFFE IDs.
    pub fn uris(&self) -> impl Iterator<Item = &str> {
        self.0.uris.iter().map(|uri| &**uri)
    }

    /// Its fingerprint: the SHA-256 of its DER.
    pub fn sha256(&self) -> &[u8; 32] {
        &self.0.sha256
    }

    /// When it expires. A connection may last longer.
    pub fn not_after(&self) -> SystemTime {
        self.0.not_after
    }
}

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Content { dns_names, uris, .. } = &*self.0;
        f.debug_struct("ClientCertificate").field("dns_names", dns_names).field("uris", uris).finish_non_exhaustive()
    }
}
