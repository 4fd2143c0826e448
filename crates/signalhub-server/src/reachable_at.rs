//! How clients on this machine reach a server: its URL, and what they must trust for it.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use signalhub_tls_client::{TlsClient, TlsProblem};

/// The URL of a server, and what its clients must trust.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReachableAt {
    /// The base URL.
    pub url: String,
    /// What clients must trust.
    pub trust: ServerTrust,
}

/// What clients of a server must trust.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ServerTrust {
    /// Nothing more than they do: there is no TLS, or its certificate is from an authority that the system trusts.
    Nothing,
    /// The certificates in this file, in PEM.
    File(PathBuf),
    /// Something that the server does not have.
    Unknown(TlsProblem),
}

impl ReachableAt {
    /// A server without TLS.
    pub fn plain(address: SocketAddr) -> Self {
        Self { url: format!("http://{address}"), trust: ServerTrust::Nothing }
    }

    /// A server with the chain of certificates in this file. Its URL has a name for this machine that the certificate is for, if
    /// it is for one.
    pub fn with_certificate(address: SocketAddr, chain: &Path) -> Self {
        let at = |host: &str, trust| Self { url: format!("https://{host}:{}", address.port()), trust };
        let ip = match address {
            SocketAddr::V4(address) => address.ip().to_string(),
            SocketAddr::V6(address) => format!("[{}]", address.ip()),
        };
        let file = chain.canonicalize().unwrap_or_else(|_| chain.to_owned());
        let pem = fs::read(chain).unwrap_or_default();
        let system = (TlsClient::with_system_roots(), ServerTrust::Nothing);
        let itself = TlsClient::with_ca(&pem).ok().map(|client| (client, ServerTrust::File(file)));
        let mut problem = None;
        for (client, trust) in [Some(system), itself].into_iter().flatten() {
            for host in [&*ip, "localhost"] {
                match client.accepts(&pem, host) {
                    Ok(()) => return at(host, trust),
                    Err(error) => problem = Some(error),
                }
            }
        }
        at(&ip, problem.map_or(ServerTrust::Nothing, ServerTrust::Unknown))
    }
}

#[cfg(test)]
mod tests;
