//! HTTP requests to the server under load.

use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, HeaderValue};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use signalhub_tls_client::{TlsClient, TlsProblem};
use tokio::time::timeout;

/// The longest answer that is read whole.
const LONGEST_ANSWER: usize = 64 * 1024 * 1024;

/// How much of an error page is shown.
const SHOWN: usize = 200;

/// Connections for requests, reused where possible.
#[derive(Clone, Debug)]
pub(crate) struct Http(Client<HttpsConnector<HttpConnector>, Full<Bytes>>);

/// Why a request has no answer, or not the right one. The texts have neither credentials nor queries.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HttpError {
    #[error("the server could not be reached: {0}")]
    Unreachable(String),
    #[error("{0}")]
    Tls(TlsProblem),
    #[error("the server did not answer within {} s", .0.as_secs())]
    TimedOut(Duration),
    #[error("the server answered with {}{}", .0.as_u16(), shown(.1))]
    Status(StatusCode, String),
    #[error("the URL or a header cannot be used: {0}")]
    Request(String),
}

impl HttpError {
    /// Tells whether the same request would be refused again.
    pub(crate) fn is_final(&self) -> bool {
        match self {
            Self::Status(status, _) => status.is_client_error() && *status != StatusCode::TOO_MANY_REQUESTS,
            Self::Request(_) | Self::Tls(_) => true,
            Self::Unreachable(_) | Self::TimedOut(_) => false,
        }
    }
}

fn shown(page: &str) -> String {
    let text: String = page.chars().take(SHOWN).map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    if text.trim().is_empty() { String::new() } else { format!(": {}", text.trim()) }
}

impl Http {
    pub(crate) fn new(tls: &TlsClient) -> Self {
        let mut connector = HttpConnector::new();
        connector.enforce_http(false);
        connector.set_nodelay(true);
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls.config().as_ref().clone())
            .https_or_http()
            .enable_http1()
            .wrap_connector(connector);
        Self(Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build(connector))
    }

    /// Sends a request and returns the answer, whose body may not have come yet. Any status but success and 101 is an error.
    pub(crate) async fn send(&self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, HttpError> {
        let response = self.0.request(request).await.map_err(|error| unreachable(&error))?;
        let status = response.status();
        if status.is_success() || status == StatusCode::SWITCHING_PROTOCOLS {
            return Ok(response);
        }
        let page = whole(response).await.unwrap_or_default();
        Err(HttpError::Status(status, String::from_utf8_lossy(&page).into_owned()))
    }

    /// Sends a POST and returns the body of the answer.
    pub(crate) async fn post(
        &self,
        url: &str,
        headers: &HeaderMap,
        body: Bytes,
        limit: Duration,
    ) -> Result<Bytes, HttpError> {
        let request = request(http::Method::POST, url, headers, body)?;
        let answer = async { whole(self.send(request).await?).await };
        timeout(limit, answer).await.map_err(|_| HttpError::TimedOut(limit))?
    }
}

/// Makes a request.
pub(crate) fn request(
    method: http::Method,
    url: &str,
    headers: &HeaderMap,
    body: Bytes,
) -> Result<Request<Full<Bytes>>, HttpError> {
    let mut request = Request::new(Full::from(body));
    *request.method_mut() = method;
    *request.uri_mut() = url.parse().map_err(|error: http::uri::InvalidUri| HttpError::Request(error.to_string()))?;
    *request.headers_mut() = headers.clone();
    Ok(request)
}

/// The headers of a client with this token.
pub(crate) fn authorization(token: Option<&str>) -> Result<HeaderMap, HttpError> {
    let mut headers = HeaderMap::new();
    if let Some(token) = token {
        let value = HeaderValue::from_str(&format!("Bearer {token}"));
        let mut value =
            value.map_err(|_| HttpError::Request("the token has characters that are not allowed".into()))?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    Ok(headers)
}

/// Reads a body to its end.
pub(crate) async fn whole(response: Response<Incoming>) -> Result<Bytes, HttpError> {
    let body = Limited::new(response.into_body(), LONGEST_ANSWER).collect().await;
    body.map(http_body_util::Collected::to_bytes).map_err(|error| HttpError::Unreachable(root(&*error)))
}

fn unreachable(error: &(dyn std::error::Error + 'static)) -> HttpError {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(problem) = TlsProblem::of(error) {
            return HttpError::Tls(problem);
        }
        cause = error.source();
    }
    HttpError::Unreachable(root(error))
}

/// Returns the text of the innermost cause, which says most.
pub(crate) fn root(error: &(dyn std::error::Error + 'static)) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
