//! Which web pages may use a server: CORS for requests, and a check of the origin for WebSockets, which CORS does not
//! cover.

use std::net::IpAddr;

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD,
    HeaderValue, ORIGIN, VARY,
};
use http::request::Parts;
use http::uri::Authority;
use http::{HeaderMap, Method, Response, StatusCode};

use crate::http::answers;
use crate::http::body::Body;
use crate::limits::limit::Limit;
use crate::request::forwarded::Site;
use crate::websocket_codec;

/// The headers that the official JavaScript client sends and that need a preflight.
const CLIENT_HEADERS: HeaderValue =
    HeaderValue::from_static("authorization,content-type,x-requested-with,x-signalr-user-agent");

/// How long browsers may cache the response to a preflight: two hours, the longest time that any of them supports.
const MAX_AGE: HeaderValue = HeaderValue::from_static("7200");

/// The web pages that may use an endpoint or a whole server, by their origin.
///
/// Requests without `Origin` do not come from a page of another site, and are accepted. Pages of the server's own origin
/// (scheme, host and port as in the request) are always accepted, and others if they are allowed: their preflights are
/// answered before authentication, and responses to them have the CORS headers, with credentials. Responses to other
/// pages have no CORS headers, so that browsers do not let the pages read them, and their WebSocket upgrades are refused
/// with 403.
///
/// The origin of a request with a valid bearer token in its `Authorization` header is not checked: browsers do not add
/// such a token by themselves, so a page of another site cannot send it. Native clients send unusual origins.
///
/// ```
/// # use signalhub_connections::Origins;
/// let origins = Origins::same().allow("https://app.example.com")?;
/// assert!(Origins::same().allow("*").is_err());
/// # Ok::<(), signalhub_connections::OriginError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Origins {
    allowed: Vec<Origin>,
    /// Whether pages of this machine are allowed, with any port.
    loopback: bool,
}

/// A text is not an origin, or it is one that cannot be allowed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "an origin is a scheme, a host and no path, as in https://example.com or capacitor://localhost, or null; not '{0}'"
)]
pub struct OriginError(String);

/// The origin of a web page.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Origin {
    /// A page of HTTP or HTTPS. The default port of the scheme is left out.
    Web { scheme: String, host: String, port: Option<u16> },
    /// A page of an application's own scheme, with or without a host: `capacitor://localhost`, `file://`.
    Application { scheme: String, authority: String },
    /// `null`: a page without an origin of its own, such as a file or a sandboxed frame.
    Opaque,
}

/// The decision about one request.
#[derive(Debug)]
pub(crate) enum OriginCheck {
    /// The request is handled, and its response gets these headers.
    Accepted(CorsHeaders),
    /// The request was a preflight, and this is its response.
    Preflight(Response<Body>),
    /// A page of another origin opens a WebSocket or sends a preflight. This response refuses it.
    Foreign(Response<Body>),
}

/// The headers that let a page read a response.
#[derive(Debug)]
pub(crate) struct CorsHeaders {
    origin: Option<HeaderValue>,
    /// The origin of a page that may not read the response.
    foreign: Option<HeaderValue>,
}

impl Origins {
    /// Allows only pages of the server's own origin.
    pub fn same() -> Self {
        Self::default()
    }

    /// Allows one more origin, such as `https://app.example.com`, `http://localhost:8080`, `capacitor://localhost` or
    /// `file://`.
    ///
    /// `null` allows pages without an origin of their own. Any site can make one with a sandboxed frame, so allow it only
    /// if all clients send tokens.
    ///
    /// # Errors
    /// The text is not an origin. `*` is refused, because with credentials it would allow every page.
    pub fn allow(mut self, origin: &str) -> Result<Self, OriginError> {
        self.allowed.push(Origin::parse(origin).ok_or_else(|| OriginError(origin.to_owned()))?);
        Ok(self)
    }

    /// Allows all pages that this machine serves itself (`localhost`, `127.0.0.1` and `[::1]`, with any port), for
    /// development.
    #[must_use]
    pub fn allow_loopback(mut self) -> Self {
        self.loopback = true;
        self
    }

    /// Tells whether a request does not come from a web page, or comes from an allowed one. For pages of your own that change
    /// something: the answer to a refused page must not depend on whether it has done so.
    pub fn allow_request(&self, head: &Parts) -> bool {
        let mut origins = head.headers.get_all(ORIGIN).iter();
        match (origins.next(), origins.next()) {
            (None, _) => true,
            (Some(claimed), None) => self.allows(claimed, head),
            (Some(_), Some(_)) => false,
        }
    }

    /// Checks the origin of a request, before all other checks. `has_valid_token` tells whether its `Authorization`
    /// header has a valid bearer token; it is called only for other origins.
    pub(crate) fn check(&self, head: &Parts, has_valid_token: impl FnOnce() -> bool) -> OriginCheck {
        let mut origins = head.headers.get_all(ORIGIN).iter();
        let (claimed, more) = (origins.next(), origins.next());
        let origin = claimed.filter(|claimed| more.is_none() && self.allows(claimed, head)).cloned();
        let is_foreign = claimed.is_some() && origin.is_none() && !has_valid_token();
        let cors = CorsHeaders { origin, foreign: claimed.filter(|_| is_foreign).cloned() };
        if claimed.is_some()
            && head.method == Method::OPTIONS
            && let Some(method) = head.headers.get(ACCESS_CONTROL_REQUEST_METHOD)
        {
            let answer = cors.preflight(method, head);
            return if is_foreign { OriginCheck::Foreign(answer) } else { OriginCheck::Preflight(answer) };
        }
        if is_foreign && websocket_codec::accept_key(&head.headers).is_some() {
            return OriginCheck::Foreign(answers::refuse(Limit::ForeignOrigin));
        }
        OriginCheck::Accepted(cors)
    }

    fn allows(&self, claimed: &HeaderValue, head: &Parts) -> bool {
        let Some(origin) = claimed.to_str().ok().and_then(Origin::parse) else {
            return false;
        };
        self.loopback && origin.is_loopback() || self.allowed.contains(&origin) || origin.is_own(head)
    }
}

impl CorsHeaders {
    fn preflight(&self, method: &HeaderValue, head: &Parts) -> Response<Body> {
        let mut response = Response::new(Body::default());
        *response.status_mut() = StatusCode::NO_CONTENT;
        let headers = response.headers_mut();
        self.write(headers);
        if self.origin.is_some() {
            let asked = head.headers.get(ACCESS_CONTROL_REQUEST_HEADERS).cloned();
            headers.insert(ACCESS_CONTROL_ALLOW_METHODS, method.clone());
            headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, asked.unwrap_or(CLIENT_HEADERS));
            headers.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE);
        }
        response
    }

    /// The origin of the page, if it may not read the response.
    pub(crate) fn foreign(&self) -> Option<&HeaderValue> {
        self.foreign.as_ref()
    }

    /// Adds the headers to a response. All get `Vary`, because a cache must not give the response for one page to another.
    pub(crate) fn write(&self, headers: &mut HeaderMap) {
        headers.append(VARY, HeaderValue::from_static("Origin"));
        if let Some(origin) = &self.origin {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
    }
}

impl Origin {
    fn parse(text: &str) -> Option<Self> {
        if text == "null" {
            return Some(Self::Opaque);
        }
        let (scheme, authority) = text.split_once("://")?;
        Self::from_parts(scheme, authority)
    }

    fn from_parts(scheme: &str, authority: &str) -> Option<Self> {
        let scheme = scheme.to_ascii_lowercase();
        let is_of_scheme = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
        if scheme.is_empty()
            || !scheme.bytes().all(is_of_scheme)
            || !authority.bytes().all(|byte| byte.is_ascii_graphic())
            || authority.contains(['/', '?', '#', '@', '*', ',', '\\'])
        {
            return None;
        }
        if !matches!(scheme.as_str(), "http" | "https") {
            return Some(Self::Application { scheme, authority: authority.to_ascii_lowercase() });
        }
        let parsed: Authority = authority.parse().ok()?;
        let host = parsed.host().to_ascii_lowercase();
        if host.is_empty() {
            return None;
        }
        let port = match &authority[host.len()..] {
            "" => None,
            port => Some(port.strip_prefix(':')?.parse::<u16>().ok()?),
        };
        let port = port.filter(|port| !matches!((scheme.as_str(), port), ("http", 80) | ("https", 443)));
        Some(Self::Web { scheme, host, port })
    }

    fn is_loopback(&self) -> bool {
        let Self::Web { host, .. } = self else { return false };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
    }

    /// Tells whether this is the origin that the request was sent to.
    fn is_own(&self, head: &Parts) -> bool {
        let Self::Web { scheme: own, .. } = self else { return false };
        let site = head.extensions.get::<Site>();
        let Some(host) = site.and_then(Site::host).or_else(|| requested_host(head)) else {
            return false;
        };
        // Inside another server's router the scheme may be unknown; then the host decides.
        let scheme = site.map_or(own.as_str(), |site| site.scheme().name());
        matches!(scheme, "http" | "https") && Self::from_parts(scheme, host).as_ref() == Some(self)
    }
}

/// The host that a request is for. The target takes precedence over the header (RFC 9112, section 3.2.2).
fn requested_host(head: &Parts) -> Option<&str> {
    match head.uri.authority() {
        Some(authority) => Some(authority.as_str()),
        None => head.headers.get(http::header::HOST)?.to_str().ok(),
    }
}

#[cfg(test)]
mod tests;
