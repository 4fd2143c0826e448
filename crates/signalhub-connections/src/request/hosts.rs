//! The host that a request is for, and the hosts that a server serves.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use http::Version;
use http::header::HOST;
use http::request::Parts;
use http::uri::Scheme;

/// The hosts that a server serves. This protects against DNS rebinding, where a web page reaches the server through a name
/// of its own that resolves to the server's address.
///
/// Loopback names (`localhost` and names that end in `.localhost`) and IP addresses are always served, because no other
/// site has such a name. Other names must be added. Ports, upper case and a dot at the end are ignored.
///
/// ```
/// # use signalhub_connections::Hosts;
/// let hosts = Hosts::local().allow("metrics.example.com")?;
/// assert!(Hosts::local().allow("http://metrics.example.com").is_err());
/// # Ok::<(), signalhub_connections::HostError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Hosts {
    /// In lower case, without a dot at the end.
    names: Vec<String>,
}

/// The error of a text that is not the name of a host.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a host is a name or an address without a port, as in signalhub.example.com, not '{0}'")]
pub struct HostError(String);

/// Why the host of a request is missing or ambiguous (RFC 9112, section 3.2). The original refuses the same requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MalformedHost {
    #[error("HTTP/1.1 needs the header Host")]
    Missing,
    #[error("there is more than one header Host")]
    Repeated,
    #[error("the header Host is not a host with an optional port")]
    Invalid,
    #[error("the header Host and the target of the request differ")]
    Contradicted,
}

/// The host and the port in a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RequestedHost<'a> {
    host: &'a str,
    port: Option<&'a str>,
}

impl Hosts {
    /// Serves only loopback names and IP addresses.
    pub fn local() -> Self {
        Self::default()
    }

    /// Serves one more name.
    ///
    /// # Errors
    /// If the text is not the name of a host.
    pub fn allow(mut self, name: &str) -> Result<Self, HostError> {
        match RequestedHost::parse(name) {
            Some(RequestedHost { host, port: None }) if !host.is_empty() => self.names.push(plain(host)),
            _ => return Err(HostError(name.to_owned())),
        }
        Ok(self)
    }

    /// Tells whether the host is served.
    pub(crate) fn serve(&self, RequestedHost { host, .. }: RequestedHost<'_>) -> bool {
        if ip_address(host).is_some() {
            return true;
        }
        let name = plain(host);
        name == "localhost" || name.ends_with(".localhost") || self.names.contains(&name)
    }
}

/// Finds the host that a request is for; `None` for a request of HTTP/1.0 without a host, which no browser sends.
pub(crate) fn requested(head: &Parts) -> Result<Option<RequestedHost<'_>>, MalformedHost> {
    let mut lines = head.headers.get_all(HOST).iter();
    let header = match (lines.next(), lines.next()) {
        (_, Some(_)) => return Err(MalformedHost::Repeated),
        (None, None) if head.version == Version::HTTP_11 => return Err(MalformedHost::Missing),
        (None, None) => None,
        (Some(line), None) => {
            let text = line.to_str().map_err(|_| MalformedHost::Invalid)?;
            Some(RequestedHost::parse(text).ok_or(MalformedHost::Invalid)?)
        }
    };
    let Some(authority) = head.uri.authority() else { return Ok(header) };
    // What precedes an @ is user information.
    let authority = authority.as_str().rsplit('@').next().unwrap_or_default();
    let target = RequestedHost::parse(authority).ok_or(MalformedHost::Invalid)?;
    let default = if head.uri.scheme() == Some(&Scheme::HTTPS) { "443" } else { "80" };
    let differs = |header: RequestedHost<'_>| {
        !header.host.eq_ignore_ascii_case(target.host)
            || header.port.unwrap_or(default) != target.port.unwrap_or(default)
    };
    if header.is_some_and(differs) { Err(MalformedHost::Contradicted) } else { Ok(Some(target)) }
}

impl<'a> RequestedHost<'a> {
    /// Reads a host with an optional port. An empty text is valid and names no host.
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        let end = match text.strip_prefix('[') {
            Some(rest) => rest.find(']')? + 2,
            None => text.find(':').unwrap_or(text.len()),
        };
        let (host, rest) = text.split_at(end);
        let port = match rest.strip_prefix(':') {
            Some(port) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => Some(port),
            None if rest.is_empty() => None,
            _ => return None,
        };
        let is_in_names = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()".contains(&byte);
        let is_good = if host.starts_with('[') {
            ip_address(host).is_some()
        } else {
            host.bytes().all(is_in_names) && (port.is_none() || !host.is_empty())
        };
        is_good.then_some(Self { host, port })
    }

    pub(crate) fn host(&self) -> &'a str {
        self.host
    }

    /// Tells whether the name or address is one of this machine.
    pub(crate) fn is_loopback(&self) -> bool {
        let name = plain(self.host);
        name == "localhost"
            || name.ends_with(".localhost")
            || ip_address(&name).is_some_and(|address| address.is_loopback())
    }
}

impl fmt::Display for RequestedHost<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.host)?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

/// Reads an IPv4 address, or an IPv6 address with its brackets.
fn ip_address(host: &str) -> Option<IpAddr> {
    match host.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']')?.parse::<Ipv6Addr>().ok().map(IpAddr::from),
        None => host.parse::<Ipv4Addr>().ok().map(IpAddr::from),
    }
}

/// The form in which names are compared.
fn plain(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

#[cfg(test)]
mod tests;
