//! The address of the server.

use std::str::FromStr;

/// The base URL of a server, such as `http://127.0.0.1:5100` or `http://hub.test/prefix`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    host: String,
    port: u16,
    prefix: String,
}

impl Address {
    /// Returns the host name or IP address, an IPv6 address without its brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Returns the port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns the prefix of every path of a recording.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Returns host and port as the `Host` header has them.
    pub fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let rest = text.strip_prefix("http://").ok_or(AddressError::Scheme)?;
        if rest.contains(['?', '#', '@']) || rest.contains(char::is_whitespace) {
            return Err(AddressError::Excess);
        }
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, port.parse().map_err(|_| AddressError::Port)?),
            _ => (authority, 80),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() {
            return Err(AddressError::Host);
        }
        Ok(Self { host: host.to_owned(), port, prefix: path.trim_end_matches('/').to_owned() })
    }
}

/// Why a text is not the address of a server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// It does not begin with `http://`.
    #[error("the base URL must begin with http://")]
    Scheme,
    /// It names no host.
    #[error("the base URL names no host")]
    Host,
    /// The port is not a number below 65 536.
    #[error("the port is not a number from 0 to 65535")]
    Port,
    /// It has a query, a fragment, user information or white space.
    #[error("the base URL has more than host, port and path")]
    Excess,
}

#[cfg(test)]
mod tests;
