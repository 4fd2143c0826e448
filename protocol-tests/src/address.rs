//! The address of the server.

use std::str::FromStr;

use signalhub_tls_client::{CaError, TlsClient};

/// The base URL of a server, such as `http://127.0.0.1:5100` or `https://hub.test/prefix`.
///
/// The certificate of a server with TLS must be from an authority that the system trusts, or one of [`Address::with_ca`].
#[derive(Debug, Clone)]
pub struct Address {
    tls: Option<TlsClient>,
    host: String,
    port: u16,
    prefix: String,
    hubs: Vec<HubPath>,
}

/// Where a server offers a hub of the recordings: `conformance=/chat` for the hub at `/conformance`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubPath {
    /// The first segment of the recorded path.
    recorded: String,
    offered: String,
}

impl Address {
    /// Trusts the certificate authorities in this PEM alone, as `curl --cacert` does. Nothing changes for an `http://` URL.
    ///
    /// # Errors
    /// If there is no certificate in it, or one that cannot be read.
    pub fn with_ca(mut self, pem: &[u8]) -> Result<Self, CaError> {
        let client = TlsClient::with_ca(pem)?;
        self.tls = self.tls.map(|_| client);
        Ok(self)
    }

    /// Looks for hubs at other paths than the recorded ones. Below a hub, paths stay as they are.
    #[must_use]
    pub fn with_hubs(mut self, hubs: impl IntoIterator<Item = HubPath>) -> Self {
        self.hubs.extend(hubs);
        self
    }

    /// Returns the target of a request for a recorded path.
    pub(crate) fn target(&self, path: &str) -> String {
        let moved = self.hubs.iter().find_map(|hub| {
            let rest = path.strip_prefix('/')?.strip_prefix(hub.recorded.as_str())?;
            (rest.is_empty() || rest.starts_with(['/', '?'])).then(|| format!("{}{rest}", hub.offered))
        });
        format!("{}{}", self.prefix, moved.as_deref().unwrap_or(path))
    }

    /// How to do TLS with the server, if it is reached with TLS.
    pub(crate) fn tls(&self) -> Option<&TlsClient> {
        self.tls.as_ref()
    }

    /// Returns the host name or IP address, an IPv6 address without its brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Returns the port.
    pub fn port(&self) -> u16 {
        self.port
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
        let (scheme, rest) = text.split_once("://").ok_or(AddressError::Scheme)?;
        let (is_tls, default_port) = match scheme {
            "http" => (false, 80),
            "https" => (true, 443),
            _ => return Err(AddressError::Scheme),
        };
        if rest.contains(['?', '#', '@']) || rest.contains(char::is_whitespace) {
            return Err(AddressError::Excess);
        }
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, port.parse().map_err(|_| AddressError::Port)?),
            _ => (authority, default_port),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() {
            return Err(AddressError::Host);
        }
        let tls = is_tls.then(TlsClient::with_system_roots);
        Ok(Self { tls, host: host.to_owned(), port, prefix: path.trim_end_matches('/').to_owned(), hubs: vec![] })
    }
}

impl FromStr for HubPath {
    type Err = HubPathError;

    fn from_str(text: &str) -> Result<Self, HubPathError> {
        let (recorded, offered) = text.split_once('=').ok_or(HubPathError)?;
        let is_path =
            offered.starts_with('/') && !offered.contains(['?', '#']) && !offered.contains(char::is_whitespace);
        if recorded.is_empty() || recorded.contains(['/', '?']) || !is_path {
            return Err(HubPathError);
        }
        Ok(Self { recorded: recorded.to_owned(), offered: offered.trim_end_matches('/').to_owned() })
    }
}

/// A text does not say where a hub is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a recorded hub and its path, such as conformance=/chat")]
pub struct HubPathError;

/// Why a text is not the address of a server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// It begins neither with `http://` nor with `https://`.
    #[error("the base URL must begin with http:// or https://")]
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
