//! Where a request came from.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

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

/// What one IPv6 client can choose its addresses from is one network.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
    }
}
