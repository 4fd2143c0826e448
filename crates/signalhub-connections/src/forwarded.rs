//! Where a request came from, seen through the reverse proxies in front of the server.

use std::fmt;
use std::net::IpAddr;

use http::HeaderMap;
use http::header::{FORWARDED, HeaderName};
use http::request::Parts;

/// Names what follows a proxy's `X-Forwarded-`.
const FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// The address that a request came from, among the extensions of the request.
///
/// It is the other end of the socket, or what trusted proxies say about it. A program that mounts an endpoint in a
/// server of its own puts one there itself; without one, limits per address count nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RemoteAddress(IpAddr);

impl RemoteAddress {
    /// Wraps an address; an IPv4 address inside an IPv6 one is taken out of it.
    pub fn new(address: IpAddr) -> Self {
        Self(address.to_canonical())
    }

    /// The address itself.
    pub fn ip(self) -> IpAddr {
        self.0
    }
}

impl fmt::Display for RemoteAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The reverse proxies whose word about their clients is taken: `X-Forwarded-For`, `-Proto` and `-Host`.
///
/// Anybody can send such headers; from other addresses they mean nothing. The chain of addresses is read from its end,
/// and the first that is no trusted proxy is the client. Scheme and host are taken from the last entry, which the
/// nearest proxy wrote.
///
/// ```
/// # use signalhub_connections::TrustedProxies;
/// let proxies = TrustedProxies::none().trust("127.0.0.1")?.trust("10.0.0.0/8")?.trust("fd00::/8")?;
/// # Ok::<(), signalhub_connections::ProxyError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies {
    networks: Vec<Network>,
    dialect: Dialect,
}

/// A text is neither an IP address nor a network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a proxy is an IP address or a network, as in 10.0.0.0/8, not '{0}'")]
pub struct ProxyError(String);

#[derive(Clone, Copy, Debug)]
struct Network {
    address: IpAddr,
    prefix: u32,
}

/// Which headers the proxies write. Only one kind counts, because a proxy passes the other on as its client sent it.
#[derive(Clone, Copy, Debug, Default)]
enum Dialect {
    #[default]
    XForwarded,
    Forwarded,
}

/// The scheme that a client asked with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    Http,
    Https,
}

/// The scheme and, behind a proxy, the host that a client asked for.
#[derive(Clone, Debug)]
pub(crate) struct Site {
    scheme: Scheme,
    host: Option<Box<str>>,
}

impl TrustedProxies {
    /// Trusts nobody: the other end of the socket is the client.
    pub fn none() -> Self {
        Self::default()
    }

    /// Trusts one more address, or network as `10.0.0.0/8`.
    ///
    /// # Errors
    /// When the text is neither.
    pub fn trust(mut self, proxy: &str) -> Result<Self, ProxyError> {
        self.networks.push(Network::parse(proxy).ok_or_else(|| ProxyError(proxy.to_owned()))?);
        Ok(self)
    }

    /// Reads `Forwarded` (RFC 7239) in place of `X-Forwarded-For`, `-Proto` and `-Host`.
    #[must_use]
    pub fn using_forwarded(mut self) -> Self {
        self.dialect = Dialect::Forwarded;
        self
    }

    /// Notes in the head of a request where it came from, and tells that.
    pub(crate) fn resolve(&self, head: &mut Parts, socket: IpAddr) -> RemoteAddress {
        let socket = RemoteAddress::new(socket);
        let (address, site) = if self.trusts(socket.ip()) {
            let said = self.dialect.read(&head.headers);
            (self.client(socket.ip(), &said.chain), said.site())
        } else {
            (socket.ip(), Site::new(Scheme::Http, None))
        };
        let address = RemoteAddress::new(address);
        head.extensions.insert(address);
        head.extensions.insert(site);
        address
    }

    pub(crate) fn trusts(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(address))
    }

    /// Walks from the socket towards the client for as long as the word of each hop can be taken.
    fn client(&self, socket: IpAddr, chain: &[Option<IpAddr>]) -> IpAddr {
        let mut address = socket;
        for hop in chain.iter().rev() {
            match hop {
                Some(hop) if self.trusts(address) => address = *hop,
                _ => break,
            }
        }
        address
    }
}

impl Network {
    fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix.parse().ok()?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.unwrap_or(longest);
        (prefix <= longest).then_some(Self { address, prefix })
    }

    fn contains(&self, other: IpAddr) -> bool {
        // A shift by the whole width would overflow; without prefix everything matches.
        match (self.address, other) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                (own.to_bits() ^ other.to_bits()).checked_shr(32 - self.prefix).unwrap_or(0) == 0
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                (own.to_bits() ^ other.to_bits()).checked_shr(128 - self.prefix).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

impl Scheme {
    fn parse(text: &str) -> Self {
        if text.eq_ignore_ascii_case("https") { Self::Https } else { Self::Http }
    }
}

impl Site {
    pub(crate) fn new(scheme: Scheme, host: Option<Box<str>>) -> Self {
        Self { scheme, host }
    }

    pub(crate) fn scheme(&self) -> &'static str {
        match self.scheme {
            Scheme::Http => "http",
            Scheme::Https => "https",
        }
    }

    pub(crate) fn host(&self) -> Option<&str> {
        self.host.as_deref()
    }
}

/// What proxies say about a request. A hop that hides its address is `None`.
#[derive(Debug, Default)]
struct Said {
    chain: Vec<Option<IpAddr>>,
    scheme: Option<Scheme>,
    host: Option<Box<str>>,
}

impl Said {
    fn site(self) -> Site {
        Site::new(self.scheme.unwrap_or(Scheme::Http), self.host)
    }
}

impl Dialect {
    fn read(self, headers: &HeaderMap) -> Said {
        match self {
            Self::XForwarded => Said {
                chain: items(headers, &FOR).into_iter().map(node_address).collect(),
                scheme: items(headers, &PROTO).last().copied().map(Scheme::parse),
                host: items(headers, &HOST).last().copied().map(Box::from),
            },
            Self::Forwarded => {
                let mut said = Said::default();
                for element in items(headers, &FORWARDED) {
                    // Scheme and host of an element further away give way to those of the nearest.
                    (said.scheme, said.host) = (None, None);
                    said.chain.push(None);
                    for pair in split(element, ';') {
                        let Some((name, value)) = pair.split_once('=') else { continue };
                        let value = value.trim().trim_matches('"');
                        match name.trim().to_ascii_lowercase().as_str() {
                            "for" => said.chain.last_mut().into_iter().for_each(|hop| *hop = node_address(value)),
                            "proto" => said.scheme = Some(Scheme::parse(value)),
                            "host" => said.host = Some(value.into()),
                            _ => {}
                        }
                    }
                }
                said
            }
        }
    }
}

/// The entries of a header that may be several lines and each a list.
fn items<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Vec<&'a str> {
    let lines = headers.get_all(name).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| split(line, ',')).collect()
}

/// Splits at a character that stands outside of quotes, and leaves out what is empty.
fn split(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    let parts = text.split(move |c| {
        quoted ^= c == '"';
        c == separator && !quoted
    });
    parts.map(str::trim).filter(|part| !part.is_empty())
}

/// Reads an address that may have a port behind it and, in IPv6, brackets around it.
fn node_address(text: &str) -> Option<IpAddr> {
    if let Some(bracketed) = text.strip_prefix('[') {
        return bracketed.split_once(']')?.0.parse().ok();
    }
    let address = text.parse().ok().or_else(|| text.rsplit_once(':')?.0.parse().ok().filter(IpAddr::is_ipv4));
    address.map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests;
