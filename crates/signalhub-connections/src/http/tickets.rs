//! Which clients get a ticket when they negotiate, and the address that the ticket sends them to.

use std::time::Duration;

use http::header::ORIGIN;
use http::request::Parts;
use http::uri::{PathAndQuery, Uri};

use crate::request::base_url::base_url;
use crate::request::hosts::RequestedHost;
use crate::request::query;

/// How long a ticket may be unused.
const LIFETIME: Duration = Duration::from_secs(15);

/// What a browser adds to its requests, and no page can change: whether a request stays within the origin of the page.
const FETCH_SITE: &str = "sec-fetch-site";

/// The keys of a query that must not be repeated in the address: the client adds them itself, or they are secret.
const OWN_KEYS: [&str; 4] = ["negotiateVersion", "useStatefulReconnect", "access_token", "id"];

/// Gives clients a ticket when they negotiate, so that their token stands in no URL.
///
/// Browsers cannot set headers on WebSockets and event streams, so their clients put the token into the URL, where logs keep
/// it. With tickets, the answer to a negotiation with a bearer token redirects the client to the same endpoint with a ticket
/// in place of the token (the members `url` and `accessToken` of the answer, which all clients of SignalR follow). The client
/// negotiates once more with the ticket, and uses it for the connection: so it costs one more request. A ticket opens one
/// connection, and nothing after that has ended.
///
/// The ticket stands for the identity that the token had. It is only for the endpoint that issued it.
///
/// In a [cluster](crate::Cluster) any node takes a ticket. It contains the token, encrypted with the secret of the cluster, so it
/// is as long as the token. Its [lifetime](Self::lifetime) counts from the time at which it was issued only. Until the client
/// of a connection has sent something, the ticket may open another one, and the connection before stays open.
///
/// ```
/// # use signalhub_connections::{Endpoint, Tickets, TicketUrlError};
/// # fn configure(endpoint: Endpoint) -> Result<Endpoint, TicketUrlError> {
/// Ok(endpoint.tickets(Tickets::for_browsers().public_url("https://example.com/realtime")?))
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Tickets {
    clients: Clients,
    lifetime: Duration,
    /// Without a slash at the end.
    public_url: Option<Box<str>>,
}

/// A text is not an address that clients can be sent to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a public URL has http or https, a host and an optional path, as in https://example.com/realtime, not '{0}'")]
pub struct TicketUrlError(String);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Clients {
    Browsers,
    All,
}

impl Tickets {
    /// Gives tickets to web pages: to negotiations with the header `Origin`, which browsers add to every POST of a page.
    pub fn for_browsers() -> Self {
        Self { clients: Clients::Browsers, lifetime: LIFETIME, public_url: None }
    }

    /// Gives tickets to all clients. Of the others, only the JavaScript client in Node.js puts the token into a URL, for event
    /// streams. Clients that do not return to their original address when they reconnect, such as pysignalr, are refused
    /// then.
    pub fn for_all() -> Self {
        Self { clients: Clients::All, ..Self::for_browsers() }
    }

    /// Sets how long a ticket may negotiate after it was issued, and again after each negotiation; 15 s by default. A client
    /// negotiates again if a transport cannot be opened.
    #[must_use]
    pub fn lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = lifetime;
        self
    }

    /// Sets the address under which clients reach the server, with the path in front of the endpoint's that a reverse proxy
    /// removes. Inside another server's router (`TowerEndpoint`) it must be set, with the path that the router removes:
    /// without it, clients get no tickets there.
    ///
    /// By default it is the one that the negotiation was sent to. If the browser says that the page is of the server's own
    /// origin (`Sec-Fetch-Site`), it is the origin of the page; otherwise scheme and host are those that the server or a
    /// [trusted proxy](crate::TrustedProxies) saw, with `https` for pages of HTTPS.
    ///
    /// # Errors
    /// If the text is not such an address.
    pub fn public_url(mut self, url: &str) -> Result<Self, TicketUrlError> {
        let error = || TicketUrlError(url.to_owned());
        let parsed: Uri = url.parse().map_err(|_| error())?;
        let is_web = matches!(parsed.scheme_str(), Some("http" | "https"));
        let host = parsed.authority().filter(|authority| !authority.as_str().contains('@'));
        let is_good = is_web && host.is_some_and(|host| !host.host().is_empty()) && parsed.query().is_none();
        // `Uri` drops a fragment.
        if !is_good || url.contains('#') {
            return Err(error());
        }
        self.public_url = Some(url.trim_end_matches('/').into());
        Ok(self)
    }

    #[cfg(feature = "tower")]
    pub(crate) fn has_public_url(&self) -> bool {
        self.public_url.is_some()
    }

    pub(crate) fn time(&self) -> Duration {
        self.lifetime
    }

    /// Tells whether the client that negotiates gets a ticket.
    pub(crate) fn are_for(&self, negotiation: &Parts) -> bool {
        self.clients == Clients::All || negotiation.headers.contains_key(ORIGIN)
    }

    /// The absolute address of the endpoint that a negotiation is sent to, with the client's own query; `None` if it is not
    /// known.
    pub(crate) fn url(&self, negotiation: &Parts) -> Option<String> {
        let base = self.public_url.as_deref().map(str::to_owned).or_else(|| base(negotiation))?;
        let path = negotiation.uri.path_and_query().map_or("/", PathAndQuery::path);
        let path = path.trim_end_matches('/');
        // The route of the request is `{path}/negotiate`, regardless of case.
        let path = path.len().checked_sub("/negotiate".len()).and_then(|length| path.get(..length))?;
        let query = query::without(negotiation.uri.query(), &OWN_KEYS);
        let mark = if query.is_empty() { "" } else { "?" };
        Some(format!("{base}{path}{mark}{query}"))
    }
}

/// Tells whether an origin is one of a page of HTTP or HTTPS, and not of an application or `null`.
fn is_web(origin: &str) -> bool {
    matches!(origin.split_once("://"), Some(("http" | "https", host)) if RequestedHost::parse(host).is_some())
}

/// The scheme and host that a browser sent a request to, as far as they can be told behind proxies.
fn base(request: &Parts) -> Option<String> {
    let origin = request.headers.get(ORIGIN).and_then(|origin| origin.to_str().ok());
    if let Some(origin) = origin.filter(|origin| is_web(origin))
        && request.headers.get(FETCH_SITE).is_some_and(|site| site == "same-origin")
    {
        return Some(origin.to_owned());
    }
    let seen = base_url(request)?;
    // Browsers do not let pages of HTTPS send requests over HTTP, except to this machine. So a proxy in front speaks TLS,
    // whose headers are not trusted. Applications have pages of this machine, and may send over HTTP.
    let is_of_this_machine = |host: &str| RequestedHost::parse(host).is_none_or(|host| host.is_loopback());
    let page = origin.and_then(|origin| origin.strip_prefix("https://"));
    match seen.strip_prefix("http://") {
        Some(host) if page.is_some_and(|page| !is_of_this_machine(page)) && !is_of_this_machine(host) => {
            Some(format!("https://{host}"))
        }
        _ => Some(seen),
    }
}

#[cfg(test)]
mod tests;
