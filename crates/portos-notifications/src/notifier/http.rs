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
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use serde::Deserialize;

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
    client: Client<HttpConnector, Full<Bytes>>,
    url: Uri,
    credentials: Option<(HeaderName, HeaderValue)>,
    timeout: Duration,
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
    /// The URL asks for TLS.
    #[error("https is not supported: give an http:// URL, such as that of a proxy that speaks TLS")]
    Https,
    /// The URL cannot be used.
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
        let client = Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build_http();
        Ok(Self { client, url, credentials, timeout: TIMEOUT })
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
        let (status, body) = read(self.client.request(request).await.map_err(unreachable)?).await?;
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

fn unreachable(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> NotifyError {
    NotifyError::Unreachable(error.into())
}

fn publish_url(base_url: &str) -> Result<Uri, NotifierError> {
    if base_url.contains('@') {
        return Err(NotifierError::UserInfo);
    }
    let wrong = || NotifierError::Url(base_url.to_owned());
    let base: Uri = base_url.parse().map_err(|_| wrong())?;
    let plain = match base.scheme_str() {
        Some("https") => return Err(NotifierError::Https),
        Some("http") => base.query().is_none() && base.host().is_some_and(|host| !host.is_empty()),
        _ => false,
    };
    if !plain {
        return Err(wrong());
    }
    format!("{}/api/v1/publish", base_url.trim_end_matches('/')).parse().map_err(|_| wrong())
}
