//! Publishes over HTTP, to the publish API of a hub.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
#[cfg(feature = "https")]
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{self, Builder, Client, ResponseFuture};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use serde::Deserialize;
#[cfg(feature = "https")]
use signalhub_tls_client::{CaError, TlsClient, TlsProblem};
use tokio::time::{Instant, sleep, timeout};

use super::NotifyError;
use super::options::PublishOptions;
use super::retries::Retries;
use crate::idempotency_key::IdempotencyKey;
use crate::publish_body::PublishBody;
use crate::receipt::Receipt;
use crate::wait::Wait;

/// The default time limit for the answer of a hub to one try.
const TIMEOUT: Duration = Duration::from_secs(10);

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The longest answer that is read. Receipts and problems are shorter.
const LONGEST_ANSWER: usize = 64 * 1024;

/// Publishes over HTTP/1.1, reusing connections.
#[derive(Clone)]
pub(super) struct PublishApi {
    connections: Connections,
    url: Uri,
    credentials: Option<(HeaderName, HeaderValue)>,
    timeout: Duration,
    retries: Retries,
}

/// The connections to the hub, kept for further requests.
#[derive(Clone)]
enum Connections {
    Plain(Client<HttpConnector, Full<Bytes>>),
    #[cfg(feature = "https")]
    Tls(Client<HttpsConnector<HttpConnector>, Full<Bytes>>),
}

impl Connections {
    /// Prepares those that the URL asks for.
    fn to(url: &Uri) -> Self {
        #[cfg(feature = "https")]
        if url.scheme_str() == Some("https") {
            return Self::tls(&TlsClient::with_system_roots());
        }
        let _ = url;
        Self::Plain(builder().build_http())
    }

    #[cfg(feature = "https")]
    fn tls(client: &TlsClient) -> Self {
        let config = client.config().as_ref().clone();
        let connector = HttpsConnectorBuilder::new().with_tls_config(config).https_only().enable_http1().build();
        Self::Tls(builder().build(connector))
    }

    fn request(&self, request: Request<Full<Bytes>>) -> ResponseFuture {
        match self {
            Self::Plain(client) => client.request(request),
            #[cfg(feature = "https")]
            Self::Tls(client) => client.request(request),
        }
    }
}

fn builder() -> Builder {
    let mut builder = Client::builder(TokioExecutor::new());
    builder.pool_timer(TokioTimer::new());
    builder
}

/// Authorises publishes to a hub.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub enum Credentials<'a> {
    /// An API key of the hub.
    ApiKey(&'a str),
    /// A bearer token with a `publish` claim.
    BearerToken(&'a str),
    /// No credentials. A hub refuses such a publish unless a proxy in front of it adds some.
    None,
}

impl fmt::Debug for Credentials<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ApiKey(_) => "ApiKey(secret)",
            Self::BearerToken(_) => "BearerToken(secret)",
            Self::None => "None",
        })
    }
}

impl Credentials<'_> {
    fn header(self) -> Result<Option<(HeaderName, HeaderValue)>, NotifierError> {
        let (name, secret, value) = match self {
            Self::ApiKey(key) => (HeaderName::from_static("x-api-key"), key, HeaderValue::from_str(key)),
            Self::BearerToken(token) => (AUTHORIZATION, token, HeaderValue::from_str(&format!("Bearer {token}"))),
            Self::None => return Ok(None),
        };
        let mut value = value.map_err(|_| NotifierError::Secret)?;
        if secret.is_empty() {
            return Err(NotifierError::Secret);
        }
        value.set_sensitive(true);
        Ok(Some((name, value)))
    }
}

/// Why [`Notifier::http`](crate::Notifier::http) failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotifierError {
    /// The URL asks for TLS, and this crate was compiled without its feature `https`.
    #[error("https needs the feature \"https\" of portos-notifications")]
    Https,
    /// The certificates of authorities cannot be used.
    #[cfg(feature = "https")]
    #[error("the certificates of authorities cannot be used: {0}")]
    Ca(#[from] CaError),
    /// The URL cannot be used. The error omits its query, which may have a secret.
    #[error("\"{0}\" is no base URL: expected one such as \"http://hub:3000\"")]
    Url(String),
    /// The URL has a user or password, which the publish API does not use. The error omits the URL, because it has a secret.
    #[error("a base URL holds no user and no password: the publish API takes API keys and bearer tokens only")]
    UserInfo,
    /// The API key or the token is not valid in a header. The error omits it, because it is a secret.
    #[error("the credentials are empty or hold characters that cannot stand in a header")]
    Secret,
}

impl PublishApi {
    /// Prepares to publish; no connection is made yet.
    pub(super) fn new(base_url: &str, credentials: Credentials<'_>) -> Result<Self, NotifierError> {
        let (url, credentials) = (publish_url(base_url)?, credentials.header()?);
        Ok(Self { connections: Connections::to(&url), url, credentials, timeout: TIMEOUT, retries: Retries::default() })
    }

    /// Trusts these authorities alone, if the hub is reached with TLS.
    #[cfg(feature = "https")]
    pub(super) fn with_ca(&self, pem: &[u8]) -> Result<Self, NotifierError> {
        let client = TlsClient::with_ca(pem)?;
        let connections = match &self.connections {
            Connections::Tls(_) => Connections::tls(&client),
            plain @ Connections::Plain(_) => plain.clone(),
        };
        Ok(Self { connections, ..self.clone() })
    }

    /// Sets the time limit for the answer of a hub to one try.
    pub(super) fn with_timeout(&self, timeout: Duration) -> Self {
        Self { timeout, ..self.clone() }
    }

    /// Sets how often and for how long a publish is tried.
    pub(super) fn with_retries(&self, retries: Retries) -> Self {
        Self { retries, ..self.clone() }
    }

    /// Publishes a body, with the same key in each try.
    pub(super) async fn publish(&self, body: &PublishBody, options: &PublishOptions) -> Result<Receipt, NotifyError> {
        let start = Instant::now();
        let key = options.key();
        let request = self.request(body, key.as_ref(), options.wait())?;
        let mut tries = 0;
        loop {
            tries += 1;
            let limit = self.timeout.min(self.retries.remaining(start.elapsed()));
            let failure = match timeout(limit, self.exchange(request.clone(), tries)).await {
                Ok(Ok(receipt)) => return Ok(receipt),
                Ok(Err(failure)) => failure,
                Err(_) => Failure {
                    error: NotifyError::TimedOut { tries, elapsed: start.elapsed() },
                    retry: Retry::WithKey { after: None },
                },
            };
            let pause = match failure.retry {
                Retry::Never => None,
                Retry::WithKey { .. } if key.is_none() => None,
                Retry::WithKey { after } => self.retries.pause(tries, after, start.elapsed(), random()),
                Retry::Always => self.retries.pause(tries, None, start.elapsed(), random()),
            };
            match pause {
                Some(pause) => sleep(pause).await,
                None => return Err(failure.error),
            }
        }
    }

    fn request(
        &self,
        body: &PublishBody,
        key: Option<&IdempotencyKey>,
        wait: Wait,
    ) -> Result<Request<Full<Bytes>>, NotifyError> {
        let url = match wait {
            Wait::Accepted => self.url.to_string(),
            Wait::Durable | Wait::Matched | Wait::Delivered => format!("{}?wait={wait}", self.url),
        };
        let key = key.map(|key| HeaderValue::from_str(key.as_str())).transpose();
        let mut request = Request::post(url).body(Full::from(body.to_json())).map_err(|error| unreachable(0, error))?;
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        request.headers_mut().extend(key.map_err(|error| unreachable(0, error))?.map(|key| (IDEMPOTENCY_KEY, key)));
        request.headers_mut().extend(self.credentials.clone());
        Ok(request)
    }

    /// Sends a request once and reads the answer.
    async fn exchange(&self, request: Request<Full<Bytes>>, tries: u32) -> Result<Receipt, Failure> {
        let response = self.connections.request(request).await.map_err(|error| no_answer(tries, error))?;
        let status = response.status();
        let retry = Retry::after(status, response.headers());
        let body = match Limited::new(response.into_body(), LONGEST_ANSWER).collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) if error.is::<LengthLimitError>() => Bytes::new(),
            // The receipt may be what was lost.
            Err(source) if status == StatusCode::ACCEPTED => {
                return Err(Failure { error: unreachable(tries, source), retry: Retry::WithKey { after: None } });
            }
            Err(source) => return Err(Failure { error: unreachable(tries, source), retry }),
        };
        if status == StatusCode::ACCEPTED
            && let Ok(receipt) = serde_json::from_slice(&body)
        {
            return Ok(receipt);
        }
        let code = status.as_u16();
        let error = match serde_json::from_slice(&body) {
            Ok(Problem { code: problem, title, detail }) if status != StatusCode::ACCEPTED => {
                NotifyError::Refused { tries, status: code, code: problem, title, detail }
            }
            _ => NotifyError::UnknownAnswer { tries, status: code, body: self.without_secret(&body) },
        };
        Err(Failure { error, retry })
    }

    /// Returns an answer as text, without the credentials: what is no hub may answer with the request.
    fn without_secret(&self, body: &[u8]) -> String {
        let text = String::from_utf8_lossy(body).trim().to_owned();
        let value = self.credentials.as_ref().and_then(|(_, value)| value.to_str().ok());
        match value.map(|value| value.strip_prefix("Bearer ").unwrap_or(value)) {
            Some(secret) => text.replace(secret, "[secret]"),
            None => text,
        }
    }
}

/// Why a try failed, and whether another one may succeed.
struct Failure {
    error: NotifyError,
    retry: Retry,
}

#[derive(Clone, Copy)]
enum Retry {
    /// Another try would fail, too.
    Never,
    /// The event may have been published, so that only a try with the same key is safe. The hub may ask for a pause.
    WithKey { after: Option<Duration> },
    /// There was no connection, so that nothing was published.
    Always,
}

impl Retry {
    /// Tells whether to try again after an answer with this status that is no receipt.
    fn after(status: StatusCode, headers: &HeaderMap) -> Self {
        match status {
            StatusCode::TOO_MANY_REQUESTS
            | StatusCode::INTERNAL_SERVER_ERROR
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT => Self::WithKey { after: retry_after(headers) },
            _ => Self::Never,
        }
    }
}

/// Reads a `Retry-After` in seconds. One with a date is ignored: the usual pause follows.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

/// A random number from 0 to 1.
fn random() -> f64 {
    // Without random numbers, the tries of several publishers are not spread.
    getrandom::u32().map_or(1.0, |number| f64::from(number) / f64::from(u32::MAX))
}

impl fmt::Debug for PublishApi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublishApi").field("url", &self.url).finish_non_exhaustive()
    }
}

/// The part of an `application/problem+json` that a publisher can act on.
#[derive(Deserialize)]
struct Problem {
    code: String,
    #[serde(default)]
    title: String,
    #[serde(default)]
    detail: Option<String>,
}

/// Tells a handshake that failed from a hub that cannot be reached or that is lost before its answer.
fn no_answer(tries: u32, error: legacy::Error) -> Failure {
    if !error.is_connect() {
        return Failure { error: unreachable(tries, error), retry: Retry::WithKey { after: None } };
    }
    #[cfg(feature = "https")]
    if let Some(problem) = TlsProblem::of(&error) {
        return Failure { error: NotifyError::Tls(problem), retry: Retry::Never };
    }
    Failure { error: unreachable(tries, error), retry: Retry::Always }
}

fn unreachable(tries: u32, source: impl Into<Box<dyn Error + Send + Sync>>) -> NotifyError {
    NotifyError::Unreachable { tries, source: source.into() }
}

fn publish_url(base_url: &str) -> Result<Uri, NotifierError> {
    if base_url.contains('@') {
        return Err(NotifierError::UserInfo);
    }
    let wrong = || NotifierError::Url(base_url.split('?').next().unwrap_or_default().to_owned());
    let base: Uri = base_url.parse().map_err(|_| wrong())?;
    match base.scheme_str() {
        Some("http") => {}
        Some("https") if cfg!(feature = "https") => {}
        Some("https") => return Err(NotifierError::Https),
        _ => return Err(wrong()),
    }
    if base.query().is_some() || base.host().is_none_or(str::is_empty) {
        return Err(wrong());
    }
    format!("{}/api/v1/publish", base_url.trim_end_matches('/')).parse().map_err(|_| wrong())
}

#[cfg(test)]
mod tests;
