//! One fetch of a key set over HTTPS.
//!
//! What answers is not trusted: a fetch takes a limited time and a limited number of bytes, and follows no redirect.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CACHE_CONTROL};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Empty, LengthLimitError, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::Deserialize;
use signalhub::connections::KeySet;
use signalhub_tls_client::{TlsClient, TlsProblem};

use crate::configuration::{KeyUrl, PemFile};
use crate::file_content::FileContent;
use crate::issuer_keys::KeyFault;

/// How long a fetch may take in all.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The longest head of an answer.
const LONGEST_HEAD: usize = 32 * 1024;

/// How long a file with certificate authorities may be.
const LONGEST_CA: usize = 1024 * 1024;

/// How much of what another server has sent is repeated in an error.
const LONGEST_QUOTE: usize = 200;

const ACCEPTED: &str = "application/json, application/jwk-set+json";

/// What is fetched.
#[derive(Debug)]
pub(super) struct KeyRequest {
    pub(super) place: Place,
    /// A file with the authorities that are trusted instead of the system's.
    pub(super) ca: Option<PemFile>,
}

/// Where a key set is.
#[derive(Debug)]
pub(super) enum Place {
    /// At this URL.
    At(KeyUrl),
    /// Where the configuration of the issuer, which is at this URL, says.
    Discovered { issuer: String, url: KeyUrl },
}

/// A key set that was fetched.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fetched {
    pub(super) text: Bytes,
    /// For how long its server says that it may be kept.
    pub(super) max_age: Option<Duration>,
}

/// Why a fetch failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    #[error("the answer took longer than {} s", TIMEOUT.as_secs())]
    Timeout,
    #[error("{url}: {reason}")]
    Unreachable { url: KeyUrl, reason: String },
    #[error("{url}: the answer was {status}{}", if .status.is_redirection() { ", and redirects are not followed" } else { "" })]
    Status { url: KeyUrl, status: StatusCode },
    #[error("{url}: the answer is longer than {} KiB", KeySet::MAX_BYTES / 1024)]
    TooLong { url: KeyUrl },
    #[error("{url}: it is not a JSON object with \"issuer\" and \"jwks_uri\"")]
    NoDiscovery { url: KeyUrl },
    #[error("{url}: it is the configuration of another issuer, {found:?}")]
    OtherIssuer { url: KeyUrl, found: String },
    #[error("{url}: its jwks_uri is not an https URL: {found:?}")]
    PlainKeys { url: KeyUrl, found: String },
    #[error("{0}")]
    Authorities(String),
    #[error(transparent)]
    Unusable(#[from] KeyFault),
}

/// What came of a fetch, for the metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// There are keys.
    Ok,
    /// There was no connection, or it was lost.
    Unreachable,
    /// It took too long.
    Timeout,
    /// The answer had another status than 200.
    Refused,
    /// What was answered cannot be used.
    Invalid,
}

impl Outcome {
    pub(crate) const ALL: [Self; 5] = [Self::Ok, Self::Unreachable, Self::Timeout, Self::Refused, Self::Invalid];

    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Unreachable => "unreachable",
            Self::Timeout => "timeout",
            Self::Refused => "refused",
            Self::Invalid => "invalid",
        }
    }
}

impl FetchError {
    pub(super) fn outcome(&self) -> Outcome {
        match self {
            Self::Timeout => Outcome::Timeout,
            Self::Unreachable { .. } | Self::Authorities(_) => Outcome::Unreachable,
            Self::Status { .. } => Outcome::Refused,
            Self::TooLong { .. }
            | Self::NoDiscovery { .. }
            | Self::OtherIssuer { .. }
            | Self::PlainKeys { .. }
            | Self::Unusable(_) => Outcome::Invalid,
        }
    }
}

/// The part of the configuration of an OpenID provider that is read.
#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: String,
}

type HttpsClient = Client<HttpsConnector<HttpConnector>, Empty<Bytes>>;

impl KeyRequest {
    /// Fetches the key set.
    ///
    /// # Errors
    /// Why there is none.
    pub(super) async fn send(&self) -> Result<Fetched, FetchError> {
        tokio::time::timeout(TIMEOUT, self.fetch()).await.unwrap_or(Err(FetchError::Timeout))
    }

    async fn fetch(&self) -> Result<Fetched, FetchError> {
        let client = self.client().await?;
        match &self.place {
            Place::At(url) => get(&client, url).await,
            Place::Discovered { issuer, url } => {
                let discovery = get(&client, url).await?;
                get(&client, &keys_url(issuer, url, &discovery.text)?).await
            }
        }
    }

    /// Makes a client for one fetch. Its connections are closed with it, and the files of authorities may have changed by the
    /// next one.
    async fn client(&self) -> Result<HttpsClient, FetchError> {
        let ca = self.ca.clone();
        let reading = tokio::task::spawn_blocking(move || match ca {
            Some(ca) => {
                read_ca(&ca).map_err(|fault| FetchError::Authorities(format!("{}: {fault}", ca.path().display())))
            }
            None => Ok(TlsClient::with_system_roots()),
        });
        let tls = reading.await.unwrap_or_else(|error| Err(FetchError::Authorities(error.to_string())))?;
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config((*tls.config()).clone())
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        let mut client = Client::builder(TokioExecutor::new());
        Ok(client.http1_max_buf_size(LONGEST_HEAD).build(connector))
    }
}

/// Reads a file with certificate authorities.
///
/// # Errors
/// If it cannot be read, or has none.
pub(super) fn read_ca(file: &PemFile) -> Result<TlsClient, KeyFault> {
    let content = FileContent::read(file.path(), LONGEST_CA);
    Ok(TlsClient::with_ca(content.bytes().map_err(KeyFault::Unreadable)?)?)
}

async fn get(client: &HttpsClient, url: &KeyUrl) -> Result<Fetched, FetchError> {
    let request = Request::get(url.uri().clone()).header(ACCEPT, ACCEPTED).body(Empty::new());
    let request = request.map_err(|error| unreachable(url, &error))?;
    let response = client.request(request).await.map_err(|error| unreachable(url, &error))?;
    let (head, body) = response.into_parts();
    if head.status != StatusCode::OK {
        return Err(FetchError::Status { url: url.clone(), status: head.status });
    }
    let body = Limited::new(body, KeySet::MAX_BYTES).collect().await.map_err(|error| {
        match error.is::<LengthLimitError>() {
            true => FetchError::TooLong { url: url.clone() },
            false => unreachable(url, &*error),
        }
    })?;
    Ok(Fetched { text: body.to_bytes(), max_age: max_age(&head.headers) })
}

fn unreachable(url: &KeyUrl, error: &(dyn std::error::Error + 'static)) -> FetchError {
    let reason = match TlsProblem::of(error) {
        Some(problem) => problem.to_string(),
        None => {
            let mut reason = error.to_string();
            let mut source = error.source();
            while let Some(error) = source {
                reason = format!("{reason}: {error}");
                source = error.source();
            }
            reason
        }
    };
    FetchError::Unreachable { url: url.clone(), reason }
}

/// Reads where the keys of an issuer are from its configuration, which was fetched from `url`.
fn keys_url(issuer: &str, url: &KeyUrl, text: &[u8]) -> Result<KeyUrl, FetchError> {
    let Ok(Discovery { issuer: found, jwks_uri }) = serde_json::from_slice(text) else {
        return Err(FetchError::NoDiscovery { url: url.clone() });
    };
    if found != issuer {
        return Err(FetchError::OtherIssuer { url: url.clone(), found: shortened(&found) });
    }
    // Only a provider on this machine, which is asked over http itself, may have its keys there.
    let keys = KeyUrl::parse(&jwks_uri).filter(|keys| keys.is_encrypted() || !url.is_encrypted());
    keys.ok_or_else(|| FetchError::PlainKeys { url: url.clone(), found: shortened(&jwks_uri) })
}

fn shortened(text: &str) -> String {
    text.chars().take(LONGEST_QUOTE).collect()
}

/// Reads `max-age` of `Cache-Control` (RFC 9111, section 5.2).
fn max_age(headers: &HeaderMap) -> Option<Duration> {
    let values = headers.get_all(CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok());
    let seconds = values.flat_map(|value| value.split(',')).find_map(|directive| {
        let (name, seconds) = directive.trim().split_once('=')?;
        let seconds = seconds.trim().trim_matches('"');
        let is_number = !seconds.is_empty() && seconds.bytes().all(|byte| byte.is_ascii_digit());
        // A number that is too large stands for a very long time.
        (name.trim().eq_ignore_ascii_case("max-age") && is_number).then(|| seconds.parse().unwrap_or(u64::MAX))
    });
    seconds.map(Duration::from_secs)
}

#[cfg(test)]
mod tests;
