//! The address of a client behind reverse proxies.

use std::iter;
use std::net::IpAddr;

use http::HeaderMap;
use http::header::{FORWARDED, HeaderName, HeaderValue};
use http::request::Parts;

use crate::request::remote_address::RemoteAddress;

const FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// The reverse proxies whose headers `X-Forwarded-For`, `X-Forwarded-Proto` and `X-Forwarded-Host` are used.
///
/// Any client can send such headers, so they are ignored in requests from other addresses. The list of addresses is read
/// from its end, and the first address that is not a trusted proxy's is the client's. Scheme and host are taken from the
/// last entry, which the nearest proxy wrote.
///
/// ```
/// # use signalhub_connections::TrustedProxies;
/// let proxies = TrustedProxies::none().trust("127.0.0.1")?.trust("10.0.0.0/8")?.trust("fd00::/8")?;
/// # Ok::<(), signalhub_connections::ProxyError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies {
    networks: Vec<Network>,
    header: ForwardedHeader,
}

/// The error of a text that is neither an IP address nor a network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a proxy is an IP address or a network, as in 10.0.0.0/8, not '{0}'")]
pub struct ProxyError(String);

#[derive(Clone, Copy, Debug)]
struct Network {
    address: IpAddr,
    prefix: u32,
}

/// Which headers are read. Only one kind is, because a proxy forwards the other kind as its client sent it.
#[derive(Clone, Copy, Debug, Default)]
enum ForwardedHeader {
    #[default]
    XForwarded,
    Forwarded,
}

/// The scheme of a request as its client sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    Http,
    Https,
}

/// The scheme and, behind a proxy, the host of a request as its client sent it.
#[derive(Clone, Debug)]
pub(crate) struct Site {
    scheme: Scheme,
    host: Option<Box<str>>,
}

impl TrustedProxies {
    /// Trusts no proxy: the client is the other end of the socket.
    pub fn none() -> Self {
        Self::default()
    }

    /// Trusts one more address, or a network such as `10.0.0.0/8`.
    ///
    /// # Errors
    /// If the text is neither.
    pub fn trust(mut self, proxy: &str) -> Result<Self, ProxyError> {
        self.networks.push(Network::parse(proxy).ok_or_else(|| ProxyError(proxy.to_owned()))?);
        Ok(self)
    }

    /// Reads `Forwarded` (RFC 7239) instead of `X-Forwarded-For`, `X-Forwarded-Proto` and `X-Forwarded-Host`.
    #[must_use]
    pub fn using_forwarded(mut self) -> Self {
        self.header = ForwardedHeader::Forwarded;
        self
    }

    /// Finds the address of the client, adds it and the scheme and host to the extensions of the request, and returns it.
    /// `scheme` is that of the socket.
    pub(crate) fn resolve(&self, head: &mut Parts, socket: IpAddr, scheme: Scheme) -> RemoteAddress {
        let socket = RemoteAddress::new(socket);
        let (address, site) = if self.trusts(socket.ip()) {
            let values = self.header.read(&head.headers);
            (self.client(socket.ip(), &values.hops), values.site(scheme))
        } else {
            (socket.ip(), Site::new(scheme, None))
        };
        let address = RemoteAddress::new(address);
        head.extensions.insert(address);
        head.extensions.insert(site);
        address
    }

    pub(crate) fn trusts(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(address))
    }

    /// Follows the hops from the socket towards the client as long as each hop is a trusted proxy.
    fn client(&self, socket: IpAddr, hops: &[Option<IpAddr>]) -> IpAddr {
        let mut address = socket;
        for hop in hops {
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
        // A shift by the whole width would overflow. A prefix of length 0 matches every address.
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

    /// The scheme with exactly this name.
    pub(crate) fn named(text: &str) -> Option<Self> {
        [Self::Http, Self::Https].into_iter().find(|scheme| scheme.name() == text)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

impl Site {
    pub(crate) fn new(scheme: Scheme, host: Option<Box<str>>) -> Self {
        Self { scheme, host }
    }

    pub(crate) fn scheme(&self) -> Scheme {
        self.scheme
    }

    pub(crate) fn host(&self) -> Option<&str> {
        self.host.as_deref()
    }
}

/// What the headers of proxies contain.
#[derive(Debug, Default)]
struct ForwardedValues {
    /// The addresses, first the one that the nearest proxy wrote. A hop without a readable address is `None`.
    hops: Vec<Option<IpAddr>>,
    scheme: Option<Scheme>,
    host: Option<Box<str>>,
}

impl ForwardedValues {
    fn site(self, scheme: Scheme) -> Site {
        Site::new(self.scheme.unwrap_or(scheme), self.host)
    }
}

impl ForwardedHeader {
    fn read(self, headers: &HeaderMap) -> ForwardedValues {
        match self {
            Self::XForwarded => ForwardedValues {
                hops: listed(headers, &FOR).map(|entry| ascii(entry).and_then(node_address)).collect(),
                scheme: listed(headers, &PROTO).next().and_then(ascii).map(Scheme::parse),
                host: listed(headers, &HOST).next().and_then(ascii).map(Box::from),
            },
            Self::Forwarded => {
                let mut elements = elements(headers).map(Element::parse);
                let Some(nearest) = elements.next() else { return ForwardedValues::default() };
                let hops = iter::once(nearest.hop).chain(elements.map(|element| element.hop)).collect();
                ForwardedValues { hops, scheme: nearest.scheme, host: nearest.host }
            }
        }
    }
}

/// One element of `Forwarded`, which one proxy wrote.
#[derive(Debug, Default)]
struct Element {
    hop: Option<IpAddr>,
    scheme: Option<Scheme>,
    host: Option<Box<str>>,
}

impl Element {
    fn parse(element: &[u8]) -> Self {
        let mut parsed = Self::default();
        let mut quotes = Quotes::default();
        for pair in element.split(|byte| quotes.is_outside(*byte) && *byte == b';') {
            let Some((name, value)) = ascii(pair).and_then(|pair| pair.split_once('=')) else { continue };
            let value = unquoted(value.trim());
            match name.trim().to_ascii_lowercase().as_str() {
                "for" => parsed.hop = value.and_then(|value| node_address(&value)),
                "proto" => parsed.scheme = value.map(|value| Scheme::parse(&value)),
                "host" => parsed.host = value.map(String::into_boxed_str),
                _ => {}
            }
        }
        parsed
    }
}

/// The lines of a header, the last one first. They are bytes, so that one invalid byte does not hide what a proxy has
/// added.
fn lines<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a [u8]> {
    headers.get_all(name).iter().rev().map(HeaderValue::as_bytes)
}

/// The entries of a header whose lines are comma-separated lists, the last one first. Quotes have no meaning in them.
fn listed<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a [u8]> {
    let entries = lines(headers, name).flat_map(|line| line.rsplit(|byte| *byte == b','));
    entries.map(<[u8]>::trim_ascii).filter(|entry| !entry.is_empty())
}

/// The elements of `Forwarded`, the last one first.
///
/// They are read from the end, where the nearest proxy wrote, so that a quote which a client has left open in front of it
/// cannot swallow that element.
fn elements(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    let elements = lines(headers, &FORWARDED).flat_map(|line| {
        let mut quotes = QuotesFromEnd::default();
        line.rsplit(move |byte| quotes.is_outside(*byte) && *byte == b',')
    });
    elements.map(<[u8]>::trim_ascii).filter(|element| !element.is_empty())
}

/// Tracks quoted strings (RFC 9110, section 5.6.4) from the start of a text.
#[derive(Debug, Default)]
struct Quotes {
    is_open: bool,
    is_escaped: bool,
}

impl Quotes {
    /// Reads the next byte, and tells whether it is outside of quotes.
    fn is_outside(&mut self, byte: u8) -> bool {
        if self.is_escaped {
            self.is_escaped = false;
        } else if byte == b'"' {
            self.is_open = !self.is_open;
        } else {
            self.is_escaped = self.is_open && byte == b'\\';
        }
        !self.is_open
    }
}

/// Tracks quoted strings from the end of a text.
#[derive(Debug, Default)]
struct QuotesFromEnd {
    is_open: bool,
    /// The bytes read last are a quote and then only backslashes.
    is_at_quote: bool,
}

impl QuotesFromEnd {
    /// Reads the byte in front of the last one, and tells whether it is outside of quotes.
    fn is_outside(&mut self, byte: u8) -> bool {
        let is_quote = byte == b'"';
        self.is_at_quote = is_quote || (self.is_at_quote && byte == b'\\');
        // A quote after an odd number of backslashes is escaped, so each backslash reverses the effect of the quote.
        self.is_open ^= self.is_at_quote;
        !self.is_open
    }
}

fn ascii(bytes: &[u8]) -> Option<&str> {
    str::from_utf8(bytes).ok().filter(|text| text.is_ascii())
}

/// Reads the value of a parameter, which may be a quoted string.
fn unquoted(value: &str) -> Option<String> {
    let Some(quoted) = value.strip_prefix('"') else {
        return (!value.contains('"')).then(|| value.to_owned());
    };
    let mut rest = quoted.strip_suffix('"')?.chars();
    let mut text = String::new();
    while let Some(next) = rest.next() {
        match next {
            '"' => return None,
            '\\' => text.push(rest.next()?),
            _ => text.push(next),
        }
    }
    Some(text)
}

/// Reads an address that may have a port behind it and, in IPv6, brackets around it (RFC 7239, section 6).
///
/// The whole text must match: a proxy writes nothing after an address.
fn node_address(text: &str) -> Option<IpAddr> {
    let (address, port) = if let Some(bracketed) = text.strip_prefix('[') {
        let (address, port) = bracketed.split_once(']')?;
        (IpAddr::V6(address.parse().ok()?), port)
    } else if let Ok(address) = text.parse() {
        (IpAddr::V6(address), "")
    } else {
        let (address, port) = text.split_at(text.find(':').unwrap_or(text.len()));
        (IpAddr::V4(address.parse().ok()?), port)
    };
    let fits = port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
    fits.then(|| address.to_canonical())
}

/// A port is up to five digits, or a name behind an underscore that hides it.
fn is_port(text: &str) -> bool {
    let is_name =
        |name: &str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
    match text.strip_prefix('_') {
        Some(name) => is_name(name),
        None => (1..=5).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit()),
    }
}

#[cfg(test)]
mod tests;
