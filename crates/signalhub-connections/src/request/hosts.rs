//! The host that a request is for, and under which names a server answers.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use http::Version;
use http::header::HOST;
use http::request::Parts;
use http::uri::Scheme;

/// The hosts that a server is asked for, so that a web page of another site cannot reach it by a name that it has resolve
/// to this machine (DNS rebinding).
///
/// Loopback names (`localhost` and what ends in `.localhost`) and IP addresses are always served: no other site has such a
/// name. Other names need an entry. The port means nothing, nor do upper case and a dot at the end.
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

/// A text is no name of a host.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a host is a name or an address without a port, as in signalhub.example.com, not '{0}'")]
pub struct HostError(String);

/// A request does not say in one way which host it is for (RFC 9112, section 3.2; the original refuses the same ones).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MalformedHost {
    #[error("HTTP/1.1 needs the header Host")]
    Missing,
    #[error("there is more than one header Host")]
    Repeated,
    #[error("the header Host is no host with a port")]
    Invalid,
    #[error("the header Host and the target of the request differ")]
    Contradicted,
}

/// A host and a port as a request names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Asked<'a> {
    host: &'a str,
    port: Option<&'a str>,
}

impl Hosts {
    /// Serves loopback names and IP addresses alone.
    pub fn local() -> Self {
        Self::default()
    }

    /// Serves one more name.
    ///
    /// # Errors
    /// When the text is no name of a host.
    pub fn allow(mut self, name: &str) -> Result<Self, HostError> {
        match Asked::parse(name) {
            Some(Asked { host, port: None }) if !host.is_empty() => self.names.push(plain(host)),
            _ => return Err(HostError(name.to_owned())),
        }
        Ok(self)
    }

    /// Tells whether the host is served.
    pub(crate) fn serve(&self, Asked { host, .. }: Asked<'_>) -> bool {
        if ip_address(host).is_some() {
            return true;
        }
        let name = plain(host);
        name == "localhost" || name.ends_with(".localhost") || self.names.contains(&name)
    }
}

/// Finds the host that a request is for; `None` is a request of HTTP/1.0 that does not say, which no browser sends.
pub(crate) fn asked(head: &Parts) -> Result<Option<Asked<'_>>, MalformedHost> {
    let mut lines = head.headers.get_all(HOST).iter();
    let header = match (lines.next(), lines.next()) {
        (_, Some(_)) => return Err(MalformedHost::Repeated),
        (None, None) if head.version == Version::HTTP_11 => return Err(MalformedHost::Missing),
        (None, None) => None,
        (Some(line), None) => {
            let text = line.to_str().map_err(|_| MalformedHost::Invalid)?;
            Some(Asked::parse(text).ok_or(MalformedHost::Invalid)?)
        }
    };
    let Some(authority) = head.uri.authority() else { return Ok(header) };
    // Who is named before an @ is not the host.
    let authority = authority.as_str().rsplit('@').next().unwrap_or_default();
    let target = Asked::parse(authority).ok_or(MalformedHost::Invalid)?;
    let default = if head.uri.scheme() == Some(&Scheme::HTTPS) { "443" } else { "80" };
    let differs = |header: Asked<'_>| {
        !header.host.eq_ignore_ascii_case(target.host)
            || header.port.unwrap_or(default) != target.port.unwrap_or(default)
    };
    if header.is_some_and(differs) { Err(MalformedHost::Contradicted) } else { Ok(Some(target)) }
}

impl<'a> Asked<'a> {
    /// Reads a host that may have a port behind it. An empty text is right and names no host.
    fn parse(text: &'a str) -> Option<Self> {
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
