//! URLs from which keys are fetched.

use std::fmt;
use std::net::IpAddr;

use http::Uri;

/// A URL from which keys are fetched: `https`, or `http` on this machine. It has no user and no fragment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyUrl(Uri);

impl KeyUrl {
    /// Reads a URL; `None` if no keys may be fetched from it.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let uri: Uri = text.parse().ok().filter(|_| !text.contains('#'))?;
        let authority = uri.authority().filter(|authority| !authority.as_str().contains('@'))?;
        let is_accepted = match uri.scheme_str()? {
            "https" => !authority.host().is_empty(),
            "http" => is_loopback(authority.host()),
            _ => false,
        };
        is_accepted.then_some(Self(uri))
    }

    /// Where an OpenID provider of this name has its configuration (OpenID Connect Discovery 1.0, section 4); `None` if the
    /// name is no URL for that.
    pub(crate) fn of_discovery(issuer: &str) -> Option<Self> {
        if issuer.contains('?') {
            return None;
        }
        let base = issuer.strip_suffix('/').unwrap_or(issuer);
        Self::parse(&format!("{base}/.well-known/openid-configuration"))
    }

    /// Tells whether it is an `https` URL.
    pub(crate) fn is_encrypted(&self) -> bool {
        self.0.scheme_str() == Some("https")
    }

    /// The URL.
    pub fn uri(&self) -> &Uri {
        &self.0
    }
}

fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

/// Without the query, which may contain a secret.
impl fmt::Display for KeyUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let authority = self.0.authority().map_or("", |authority| authority.as_str());
        write!(f, "{}://{authority}{}", self.0.scheme_str().unwrap_or_default(), self.0.path())
    }
}
