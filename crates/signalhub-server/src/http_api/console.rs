//! The console: a page for web browsers on the internal listener, made of files in the folder `console` of this package.
//!
//! The page itself needs no token: it has no more than its program. What it shows comes from the admin API.

use std::net::SocketAddr;

use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};
use http::request::Parts;
use http::uri::{Scheme, Uri};
use http::{HeaderValue, Response};
use signalhub::connections::{Body, base_url};

use super::problem::Problem;
use super::{foreign_pages, method, not_found};
use crate::configuration::Configuration;
use crate::listener_tls::ListenerTls;

/// The path of the page.
pub(super) const PATH: &str = "/";

/// The beginning of the paths of its files.
pub(super) const PREFIX: &str = "/console/";

const PAGE: &str = include_str!("../../console/console.html");

/// What stands in the page for the URL of the hub.
const HUB_PLACE: &str = "{{hub}}";

const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";

/// Lists files of the folder: their paths behind [`PREFIX`], their types and their content.
macro_rules! files {
    ($( $name:literal: $kind:expr; )+) => {
        &[$( ($name, $kind, include_str!(concat!("../../console/", $name))), )+]
    };
}

const FILES: &[(&str, &str, &str)] = files! {
    "api.js": SCRIPT;
    "charts.js": SCRIPT;
    "cluster.js": SCRIPT;
    "connection.js": SCRIPT;
    "connections.js": SCRIPT;
    "console.css": STYLE;
    "console.js": SCRIPT;
    "dialog.js": SCRIPT;
    "dom.js": SCRIPT;
    "events.js": SCRIPT;
    "examples.js": SCRIPT;
    "explain.js": SCRIPT;
    "format.js": SCRIPT;
    "now.js": SCRIPT;
    "try.js": SCRIPT;
    "verdict.js": SCRIPT;
    "vendor/signalr-10.0.11.min.js": SCRIPT;
    "vendor/signalr-LICENSE": TEXT;
    "vendor/uplot-1.6.32.min.css": STYLE;
    "vendor/uplot-1.6.32.min.js": SCRIPT;
    "vendor/uplot-LICENSE": TEXT;
};

/// The page for operators that the console links to, of the version that is running. The file is a link to that of the documents, since a package has only
/// what is in its folder.
const OPERATIONS: (&str, &str, &str) = ("operations.md", TEXT, include_str!("../../console/operations.md"));

/// Answers the requests for the console and its files.
#[derive(Debug)]
pub(crate) enum Console {
    /// `admin.console` is false.
    Off,
    On {
        place: HubPlace,
        /// The path of the hub.
        hub: &'static str,
    },
}

/// Where web pages find the hub.
#[derive(Debug)]
pub(crate) enum HubPlace {
    /// At `listen.public_url`, whose path a reverse proxy removes.
    PublicUrl(String),
    /// At the address of the public listener.
    Address(Scheme, SocketAddr),
}

impl Console {
    /// Makes the console of a server whose hub is at this address.
    pub(crate) fn new(
        configuration: &Configuration,
        tls: Option<&ListenerTls>,
        public: SocketAddr,
        hub: &'static str,
    ) -> Self {
        if !configuration.admin.console {
            return Self::Off;
        }
        let scheme = if tls.is_some() { Scheme::HTTPS } else { Scheme::HTTP };
        let url = configuration.listen.public_url.as_ref();
        let place = url.map(|url| HubPlace::PublicUrl(url.as_str().trim_end_matches('/').to_owned()));
        Self::On { place: place.unwrap_or(HubPlace::Address(scheme, public)), hub }
    }

    /// Answers a request for the page or for a file; `check` tells whether there is a way to use the console.
    pub(super) fn answer(
        &self,
        head: &Parts,
        check: impl FnOnce() -> Result<(), Problem>,
    ) -> Result<Response<Body>, Problem> {
        let Self::On { place, hub } = self else { return not_found("the console is off (admin.console)") };
        if head.uri.path() == PATH {
            foreign_pages::refuse_but_links(head)?;
        } else {
            foreign_pages::refuse(head)?;
        }
        check()?;
        let base = place.base(head);
        let (kind, content): (_, Body) = match head.uri.path().strip_prefix(PREFIX) {
            None => ("text/html; charset=utf-8", page(base.as_deref(), hub).into()),
            Some(name) => {
                let file = FILES.iter().chain([&OPERATIONS]).find(|(path, ..)| *path == name);
                let Some(&(_, kind, content)) = file else { return not_found("the console has no such file") };
                (kind, content.into())
            }
        };
        let policy = policy(base.as_deref());
        method::read_only(&head.method, || response(kind, policy, content))
    }
}

impl HubPlace {
    /// Returns the URL in front of the hub's path, for the browser that sent this request. `None` if the request names no host.
    fn base(&self, head: &Parts) -> Option<String> {
        match self {
            Self::PublicUrl(url) => Some(url.clone()),
            Self::Address(scheme, address) if !address.ip().is_unspecified() => Some(format!("{scheme}://{address}")),
            Self::Address(scheme, address) => {
                let called: Uri = base_url(head)?.parse().ok()?;
                Some(format!("{scheme}://{}:{}", called.host()?, address.port()))
            }
        }
    }
}

/// The page, with the URL of the hub in it.
fn page(base: Option<&str>, hub: &str) -> String {
    let hub = base.map(|base| format!("{base}{hub}")).unwrap_or_default();
    let escaped = hub.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;");
    PAGE.replace(HUB_PLACE, &escaped)
}

/// The content security policy: own files only, and connections to the own server and to the hub, also by WebSockets.
fn policy(base: Option<&str>) -> HeaderValue {
    let origin = base.and_then(origin).map(|(scheme, host)| {
        let socket = if scheme == "https" { "wss" } else { "ws" };
        format!(" {scheme}://{host} {socket}://{host}")
    });
    let policy = format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'{}; img-src 'self' data:; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        origin.unwrap_or_default()
    );
    HeaderValue::try_from(policy).expect("a host and a scheme are visible ASCII")
}

/// Returns the scheme and the host of a URL, if they cannot be taken for another directive.
fn origin(url: &str) -> Option<(String, String)> {
    let url: Uri = url.parse().ok()?;
    let (scheme, host) = (url.scheme_str()?, url.authority()?.as_str());
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte);
    host.bytes().all(is_plain).then(|| (scheme.to_owned(), host.to_owned()))
}

fn response(kind: &'static str, policy: HeaderValue, content: Body) -> Response<Body> {
    let mut response = Response::new(content);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CONTENT_SECURITY_POLICY, policy);
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests;
