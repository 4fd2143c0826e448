//! The certificate of the listeners: read from its files at the start, and again when they change.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use signalhub::connections::{
    ClientAuth, ClientAuthorities, ClientAuthoritiesError, Tls, TlsCertificate, TlsCertificateError, TlsHandshakes,
    TlsVersion,
};

use crate::configuration::{self as settings, ClientCertificates, MinimumTlsVersion};
use crate::file_content::FileContent;

/// How long a file with a certificate or a key may be.
const LONGEST_FILE: usize = 1024 * 1024;

/// The TLS of the listeners, and where its certificate comes from.
#[derive(Debug)]
pub(crate) struct ListenerTls {
    tls: Tls,
    files: CertificateFiles,
    /// What the files contained when they were last read.
    seen: Mutex<Contents>,
    client_ca: Option<ClientCa>,
    /// When the certificate that is used expires, in seconds since 1970.
    not_after: AtomicI64,
    replaced: AtomicU64,
    failed: AtomicU64,
}

#[derive(Debug)]
struct CertificateFiles {
    certificate: PathBuf,
    key: PathBuf,
}

#[derive(Debug, PartialEq, Eq)]
struct Contents {
    certificate: FileContent,
    key: FileContent,
}

/// The authorities whose client certificates are accepted, and where they come from.
#[derive(Debug)]
struct ClientCa {
    file: PathBuf,
    authorities: ClientAuthorities,
    auth: ClientAuth,
    /// What the file contained when it was last read.
    seen: Mutex<FileContent>,
}

/// Why the certificate of the listeners cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ListenerTlsError {
    /// A key needs another one that is not configured.
    #[error("\"{key}\" needs \"{missing}\", which is not configured")]
    Alone {
        /// The key that is configured.
        key: &'static str,
        /// The key that is not.
        missing: &'static str,
    },
    /// A file cannot be read.
    #[error("\"{key}\": {}: it cannot be read: {error}", .file.display())]
    Unreadable {
        /// The configuration key that names the file.
        key: &'static str,
        /// The file.
        file: PathBuf,
        /// The error of the system.
        error: String,
    },
    /// The content of a file cannot be used.
    #[error("\"{key}\": {}: {error}", .file.display())]
    Unusable {
        /// The configuration key that names the file.
        key: &'static str,
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        #[source]
        error: TlsCertificateError,
    },
    /// The authorities of client certificates cannot be used.
    #[error("\"tls.client_ca\": {}: {error}", .file.display())]
    UnusableAuthorities {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        #[source]
        error: ClientAuthoritiesError,
    },
}

/// Reads the certificate and its key. `None` if none is configured.
///
/// # Errors
/// If one of the files is not configured or cannot be used.
pub(crate) fn configured(settings: &settings::Tls) -> Result<Option<ListenerTls>, ListenerTlsError> {
    let (certificate, key) = match (&settings.certificate, &settings.key) {
        (Some(certificate), Some(key)) => (certificate.path().to_owned(), key.path().to_owned()),
        (Some(_), None) => return Err(ListenerTlsError::Alone { key: "tls.certificate", missing: "tls.key" }),
        (None, Some(_)) => return Err(ListenerTlsError::Alone { key: "tls.key", missing: "tls.certificate" }),
        (None, None) if settings.internal => {
            return Err(ListenerTlsError::Alone { key: "tls.internal", missing: "tls.certificate" });
        }
        (None, None) if settings.client_auth != ClientCertificates::None => {
            return Err(ListenerTlsError::Alone { key: "tls.client_auth", missing: "tls.certificate" });
        }
        (None, None) if settings.client_ca.is_some() => {
            return Err(ListenerTlsError::Alone { key: "tls.client_ca", missing: "tls.certificate" });
        }
        (None, None) => return Ok(None),
    };
    let files = CertificateFiles { certificate, key };
    let contents = files.read();
    let certificate = files.certificate(&contents)?;
    let minimum_version = match settings.minimum_version {
        MinimumTlsVersion::Tls12 => TlsVersion::Tls12,
        MinimumTlsVersion::Tls13 => TlsVersion::Tls13,
    };
    let not_after = seconds_since_1970(certificate.not_after());
    let tls = Tls::new(certificate).minimum_version(minimum_version).handshake_timeout(settings.handshake_timeout);
    Ok(Some(ListenerTls {
        tls,
        files,
        seen: Mutex::new(contents),
        client_ca: ClientCa::configured(settings)?,
        not_after: not_after.into(),
        replaced: AtomicU64::new(0),
        failed: AtomicU64::new(0),
    }))
}

impl CertificateFiles {
    fn read(&self) -> Contents {
        let read = |path: &Path| FileContent::read(path, LONGEST_FILE);
        Contents { certificate: read(&self.certificate), key: read(&self.key) }
    }

    fn certificate(&self, contents: &Contents) -> Result<TlsCertificate, ListenerTlsError> {
        let (certificate, key) = (("tls.certificate", &self.certificate), ("tls.key", &self.key));
        let chain = contents.certificate.bytes().map_err(|error| unreadable(certificate, error))?;
        let private_key = contents.key.bytes().map_err(|error| unreadable(key, error))?;
        TlsCertificate::from_pem(chain, private_key).map_err(|error| {
            let (key, file) = match error {
                TlsCertificateError::NoCertificate | TlsCertificateError::InvalidCertificate => certificate,
                _ => key,
            };
            ListenerTlsError::Unusable { key, file: file.clone(), error }
        })
    }
}

impl ClientCa {
    fn configured(settings: &settings::Tls) -> Result<Option<Self>, ListenerTlsError> {
        let auth = match settings.client_auth {
            ClientCertificates::None => None,
            ClientCertificates::Optional => Some(ClientAuth::Optional),
            ClientCertificates::Required => Some(ClientAuth::Required),
        };
        let (file, auth) = match (&settings.client_ca, auth) {
            (Some(file), Some(auth)) => (file.path().to_owned(), auth),
            (Some(_), None) => {
                return Err(ListenerTlsError::Alone { key: "tls.client_ca", missing: "tls.client_auth" });
            }
            (None, Some(_)) => {
                return Err(ListenerTlsError::Alone { key: "tls.client_auth", missing: "tls.client_ca" });
            }
            (None, None) => return Ok(None),
        };
        let content = FileContent::read(&file, LONGEST_FILE);
        let authorities = authorities(&file, &content)?;
        Ok(Some(Self { file, authorities, auth, seen: Mutex::new(content) }))
    }

    /// Reads the file again; `None` if it has not changed. Authorities that cannot be used replace no others.
    fn reload(&self) -> Option<Result<(), ListenerTlsError>> {
        let content = FileContent::read(&self.file, LONGEST_FILE);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if *seen == content {
            return None;
        }
        let read = authorities(&self.file, &content);
        *seen = content;
        Some(read.map(|authorities| self.authorities.replace(&authorities)))
    }
}

fn authorities(file: &Path, content: &FileContent) -> Result<ClientAuthorities, ListenerTlsError> {
    let bytes = content.bytes().map_err(|error| unreadable(("tls.client_ca", &file.to_owned()), error))?;
    ClientAuthorities::from_pem(bytes)
        .map_err(|error| ListenerTlsError::UnusableAuthorities { file: file.to_owned(), error })
}

fn unreadable((key, file): (&'static str, &PathBuf), error: String) -> ListenerTlsError {
    ListenerTlsError::Unreadable { key, file: file.clone(), error }
}

impl ListenerTls {
    /// What a server needs to speak TLS.
    pub(crate) fn tls(&self) -> Tls {
        self.tls.clone()
    }

    /// What the server that has the publish API needs: it asks for client certificates if that is configured.
    pub(crate) fn tls_for_publishers(&self) -> Tls {
        match &self.client_ca {
            Some(ClientCa { authorities, auth, .. }) => self.tls().client_certificates(authorities, *auth),
            None => self.tls(),
        }
    }

    /// Reads the files again. If they have changed, the next handshakes use what they contain, or the old certificate and
    /// the old authorities if they cannot be used.
    pub(crate) fn reload(&self) {
        self.reload_certificate();
        match self.client_ca.as_ref().and_then(ClientCa::reload) {
            None => {}
            Some(Ok(())) => {
                self.replaced.fetch_add(1, Ordering::Relaxed);
                tracing::info!("the authorities of client certificates were replaced");
            }
            Some(Err(error)) => {
                self.failed.fetch_add(1, Ordering::Relaxed);
                tracing::warn!(%error, "the authorities of client certificates have changed and cannot be used; the old ones are kept");
            }
        }
    }

    fn reload_certificate(&self) {
        let contents = self.files.read();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if *seen == contents {
            return;
        }
        let certificate = self.files.certificate(&contents);
        *seen = contents;
        match certificate {
            Ok(certificate) => {
                self.not_after.store(seconds_since_1970(certificate.not_after()), Ordering::Relaxed);
                self.tls.replace_certificate(certificate);
                self.replaced.fetch_add(1, Ordering::Relaxed);
                tracing::info!("the certificate was replaced");
            }
            Err(error) => {
                self.failed.fetch_add(1, Ordering::Relaxed);
                tracing::warn!(%error, "the certificate has changed and cannot be used; the old one is kept");
            }
        }
    }

    /// When the certificate that is used expires, in seconds since 1970.
    pub(crate) fn not_after(&self) -> i64 {
        self.not_after.load(Ordering::Relaxed)
    }

    /// The counts of handshakes.
    pub(crate) fn handshakes(&self) -> TlsHandshakes {
        self.tls.handshakes()
    }

    /// How often the certificate or the authorities were replaced, and how often what replaced them could not be used.
    pub(crate) fn reloads(&self) -> [(&'static str, u64); 2] {
        [("replaced", self.replaced.load(Ordering::Relaxed)), ("failed", self.failed.load(Ordering::Relaxed))]
    }

    /// Tells if the certificate has expired.
    pub(crate) fn warning(&self) -> Option<String> {
        (self.not_after() < seconds_since_1970(SystemTime::now())).then(|| {
            format!(
                "tls.certificate: {}: the certificate has expired, so clients will refuse it",
                self.files.certificate.display()
            )
        })
    }
}

fn seconds_since_1970(time: SystemTime) -> i64 {
    let seconds = time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |time| time.as_secs());
    i64::try_from(seconds).unwrap_or(i64::MAX)
}
