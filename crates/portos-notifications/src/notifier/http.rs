//! The road over a hub's publish API.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::rt::Timer;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use serde::Deserialize;

use super::{NotifyError, Receipt};
use crate::PublishBody;

/// A hub answers within this time, or the notification has failed.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Receipts and problems are small; more than this comes from something else.
const LONGEST_ANSWER: usize = 64 * 1024;

/// Publishes over HTTP/1.1, reusing connections.
pub(super) struct PublishApi {
    client: Client<HttpConnector, Full<Bytes>>,
    url: Uri,
    api_key: HeaderValue,
}

/// Tells why a notifier over HTTP was not made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotifierError {
    /// The URL asks for TLS.
    #[error("https is not supported: give an http:// URL, such as that of a proxy that speaks TLS")]
    Https,
    /// The URL cannot be used.
    #[error("\"{0}\" is no base URL: expected one such as \"http://hub:3000\"")]
    Url(String),
    /// The URL holds a user or password, which no part of the publish API would look at. Its text is left out on purpose.
    #[error("a base URL holds no user and no password: the publish API knows API keys only")]
    Credentials,
    /// The API key cannot stand in a header. Its text is left out on purpose.
    #[error("the API key is empty or holds characters that cannot stand in a header")]
    ApiKey,
}

impl PublishApi {
    /// Prepares to publish; no connection is made yet.
    pub(super) fn new(base_url: &str, api_key: &str) -> Result<Self, NotifierError> {
        let url = publish_url(base_url)?;
        let mut api_key = HeaderValue::from_str(api_key).map_err(|_| NotifierError::ApiKey)?;
        if api_key.is_empty() {
            return Err(NotifierError::ApiKey);
        }
        api_key.set_sensitive(true);
        let client = Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build_http();
        Ok(Self { client, url, api_key })
    }

    /// Publishes a body.
    pub(super) async fn publish(&self, body: &PublishBody) -> Result<Receipt, NotifyError> {
        let mut exchange = pin!(self.exchange(body.to_json()));
        let mut timeout = TokioTimer::new().sleep(TIMEOUT);
        poll_fn(|cx| match exchange.as_mut().poll(cx) {
            Poll::Ready(answer) => Poll::Ready(answer),
            Poll::Pending => timeout.as_mut().poll(cx).map(|()| Err(NotifyError::TimedOut(TIMEOUT))),
        })
        .await
    }

    async fn exchange(&self, json: String) -> Result<Receipt, NotifyError> {
        let mut request = Request::post(self.url.clone()).body(Full::from(json)).map_err(unreachable)?;
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        request.headers_mut().insert("x-api-key", self.api_key.clone());
        let (status, body) = read(self.client.request(request).await.map_err(unreachable)?).await?;
        if status == StatusCode::ACCEPTED {
            return serde_json::from_slice(&body).map_err(|_| NotifyError::UnknownAnswer { status: status.as_u16() });
        }
        let status = status.as_u16();
        match serde_json::from_slice(&body) {
            Ok(Problem { code, title, detail }) => Err(NotifyError::Refused { status, code, title, detail }),
            Err(_) => Err(NotifyError::UnknownAnswer { status }),
        }
    }
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
        return Err(NotifierError::Credentials);
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
