//! The address that a request came from.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

/// The address that a request came from, among the extensions of the request.
///
/// It is the other end of the socket, or the address that trusted proxies name. A program that mounts an endpoint in its
/// own HTTP server adds one to each request; without it, limits per address do not apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RemoteAddress(IpAddr);

impl RemoteAddress {
    /// Wraps an address. An IPv4 address that is mapped to IPv6 becomes an IPv4 address.
    pub fn new(address: IpAddr) -> Self {
        Self(address.to_canonical())
    }

    /// The address itself.
    pub fn ip(self) -> IpAddr {
        self.0
    }

    /// The network that counts as one address where addresses are limited: an IPv6 client can use all addresses of its /64.
    pub fn network(self) -> IpAddr {
        network(self.0)
    }
}

impl fmt::Display for RemoteAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The network that counts as one address: an IPv6 client can use all addresses of its /64.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
    }
}
