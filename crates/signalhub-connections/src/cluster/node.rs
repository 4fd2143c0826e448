//! The nodes of a cluster: their names, and the addresses at which other nodes reach them.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use http::uri::Authority;

/// The longest name of a node, in bytes.
const LONGEST_NAME: usize = 64;

/// The name of a node, which is unique in its cluster: 1 to 64 letters, digits, `.`, `-` and `_` of ASCII.
///
/// It stands in headers, logs and metrics, so it cannot contain anything that would end a line there.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeName(Arc<str>);

/// A text is not the name of a node.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the name of a node has 1 to 64 letters, digits, '.', '-' and '_', not {0:?}")]
pub struct NodeNameError(String);

/// Where other nodes reach a node: a host and a port, as in `10.0.0.7:3002` or `[fd00::7]:3002`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NodeAddress(Arc<str>);

/// A text is not the address of a node.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the address of a node is a host and a port, as in 10.0.0.7:3002, not {0:?}")]
pub struct NodeAddressError(String);

/// A node of the cluster that is present.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its name.
    pub name: NodeName,
    /// Where it accepts the requests that other nodes forward; `None` if it accepts none.
    pub address: Option<NodeAddress>,
}

impl NodeName {
    /// Checks a name.
    ///
    /// # Errors
    /// If it is empty, longer than 64 bytes, or contains another character.
    pub fn new(name: &str) -> Result<Self, NodeNameError> {
        let is_good = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
        match (1..=LONGEST_NAME).contains(&name.len()) && name.bytes().all(is_good) {
            true => Ok(Self(name.into())),
            false => Err(NodeNameError(name.to_owned())),
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl NodeAddress {
    /// Checks an address.
    ///
    /// # Errors
    /// If the text is not a host and a port.
    pub fn new(address: &str) -> Result<Self, NodeAddressError> {
        let error = || NodeAddressError(address.to_owned());
        let parsed: Authority = address.parse().map_err(|_| error())?;
        let is_good =
            !address.contains('@') && !parsed.host().is_empty() && parsed.port_u16().is_some_and(|port| port > 0);
        if is_good { Ok(Self(address.into())) } else { Err(error()) }
    }

    /// The address as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether an address is this machine's, or of a private network (RFC 1918, RFC 4193, RFC 6598) or link. Nodes send requests of clients,
/// with their credentials, to no other address without TLS.
pub fn is_private(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => {
            let [first, second, ..] = ip.octets();
            ip.is_loopback() || ip.is_private() || ip.is_link_local() || (first == 100 && (64..128).contains(&second))
        }
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

impl fmt::Display for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for NodeAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_fits_into_a_header_and_a_log_line() {
        for name in ["a", "node-1", "web_2.example", "0123456789abcdef", &"x".repeat(64)] {
            assert_eq!(NodeName::new(name).unwrap().as_str(), name);
        }
        for name in ["", "a b", "a\nb", "a\r\n", "a;b", "ä", "a\0", &"x".repeat(65)] {
            assert!(NodeName::new(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn an_address_has_a_host_and_a_port() {
        for address in ["10.0.0.7:3002", "[fd00::7]:3002", "node-1.internal:80"] {
            assert_eq!(NodeAddress::new(address).unwrap().as_str(), address);
        }
        for address in ["", "10.0.0.7", ":80", "a:0", "a:65536", "a@b:80", "a:80/x", "a\n:80", "fd00::7:3002"] {
            assert!(NodeAddress::new(address).is_err(), "{address:?}");
        }
    }
}
