//! A certificate for the servers under test.

use std::env;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use rcgen::{CertificateParams, KeyPair};
use signalhub_tls_client::TlsClient;

/// A new certificate for this machine, in a folder that is removed with this value.
#[derive(Debug)]
pub(crate) struct Certificate {
    folder: PathBuf,
    pem: String,
}

impl Certificate {
    /// Makes one, with an ECDSA key.
    pub(crate) fn make() -> io::Result<Self> {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = env::temp_dir().join(format!("signalhub-bench-{}-{number}", std::process::id()));
        fs::create_dir(&folder)?;
        let key = KeyPair::generate().map_err(io::Error::other)?;
        let params = CertificateParams::new(["127.0.0.1".to_owned()]).map_err(io::Error::other)?;
        let pem = params.self_signed(&key).map_err(io::Error::other)?.pem();
        let made = Self { folder, pem };
        fs::write(made.folder.join("chain.pem"), &made.pem)?;
        fs::write(made.folder.join("key.pem"), key.serialize_pem())?;
        Ok(made)
    }

    /// The variables that make a server use it.
    pub(crate) fn variables(&self) -> [(&'static str, PathBuf); 2] {
        [
            ("SIGNALHUB_TLS__CERTIFICATE", self.folder.join("chain.pem")),
            ("SIGNALHUB_TLS__KEY", self.folder.join("key.pem")),
        ]
    }

    /// The certificate, which clients can trust.
    pub(crate) fn pem(&self) -> &[u8] {
        self.pem.as_bytes()
    }

    /// A client that trusts it.
    pub(crate) fn client(&self) -> io::Result<TlsClient> {
        TlsClient::with_ca(self.pem()).map_err(io::Error::other)
    }
}

impl Drop for Certificate {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.folder));
    }
}
