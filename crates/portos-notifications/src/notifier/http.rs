//! Publishes over HTTP, to the publish API of a hub.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue};
use http::{Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::rt::Timer;
#[cfg(feature = "https")]
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Builder, Client, Error, ResponseFuture};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use serde::Deserialize;
#[cfg(feature = "https")]
use signalhub_tls_client::{CaError, TlsClient, TlsProblem};

use super::NotifyError;
use crate::publish_body::PublishBody;
use crate::receipt::Receipt;

/// The default time limit for the answer of a hub.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The longest answer that is read. Receipts and problems are shorter.
const LONGEST_ANSWER: usize = 64 * 1024;

/// Publishes over HTTP/1.1, reusing connections.
#[derive(Clone)]
pub(super) struct PublishApi {
    connections: Connections,
    url: Uri,
    credentials: Option<(HeaderName, HeaderValue)>,
    timeout: Duration,
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
        Ok(Self { connections: Connections::to(&url), url, credentials, timeout: TIMEOUT })
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

    /// Sets the time limit for the answer of a hub.
    pub(super) fn with_timeout(&self, timeout: Duration) -> Self {
        Self { timeout, ..self.clone() }
    }

    /// Publishes a body.
    pub(super) async fn publish(&self, body: &PublishBody) -> Result<Receipt, NotifyError> {
        let mut exchange = pin!(self.exchange(body.to_json()));
        let mut timeout = TokioTimer::new().sleep(self.timeout);
        poll_fn(|cx| match exchange.as_mut().poll(cx) {
            Poll::Ready(answer) => Poll::Ready(answer),
            Poll::Pending => timeout.as_mut().poll(cx).map(|()| Err(NotifyError::TimedOut(self.timeout))),
        })
        .await
    }

    async fn exchange(&self, json: String) -> Result<Receipt, NotifyError> {
        let mut request = Request::post(self.url.clone()).body(Full::from(json)).map_err(unreachable)?;
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        request.headers_mut().extend(self.credentials.clone());
        let (status, body) = read(self.connections.request(request).await.map_err(no_answer)?).await?;
        let (code, unknown) = (status.as_u16(), || String::from_utf8_lossy(&body).trim().to_owned());
        if status == StatusCode::ACCEPTED {
            return serde_json::from_slice(&body)
                .map_err(|_| NotifyError::UnknownAnswer { status: code, body: unknown() });
        }
        match serde_json::from_slice(&body) {
            Ok(problem) => Err(refused(code, problem)),
            Err(_) => Err(NotifyError::UnknownAnswer { status: code, body: unknown() }),
        }
    }
}

fn refused(status: u16, Problem { code, title, detail }: Problem) -> NotifyError {
    NotifyError::Refused { status, code, title, detail }
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

async fn read(response: Response<Incoming>) -> Result<(StatusCode, Bytes), NotifyError> {
    let status = response.status();
    let body = Limited::new(response.into_body(), LONGEST_ANSWER).collect().await;
    Ok((status, body.map_err(NotifyError::Unreachable)?.to_bytes()))
}

/// Tells a handshake that failed from a hub that cannot be reached or that is lost before its answer.
fn no_answer(error: Error) -> NotifyError {
    #[cfg(feature = "https")]
    if error.is_connect()
        && let Some(problem) = TlsProblem::of(&error)
    {
        return NotifyError::Tls(problem);
    }
    unreachable(error)
}

fn unreachable(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> NotifyError {
    NotifyError::Unreachable(error.into())
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
