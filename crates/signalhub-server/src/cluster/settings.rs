//! What the settings of a cluster say, and which of them are refused.

use std::net::{IpAddr, SocketAddr};

use signalhub::connections::{ClusterSecrets, NodeAddress, is_private};
use signalhub_redis::link::RedisSettings;
use signalhub_tls_client::{CaError, TlsClient};

use super::ClusterError;
use crate::configuration::{self as settings, ClusterSettings, Configuration, Listener, Place};

/// What was read of the settings of a cluster.
pub(crate) struct Checked<'a> {
    pub(super) redis: RedisSettings,
    pub(super) secrets: ClusterSecrets,
    pub(super) listen: &'a str,
    /// Which certificates of other nodes are trusted, if they speak TLS.
    pub(super) tls: Option<TlsClient>,
}

/// Refuses settings with which a node cannot join. Asks nothing of other machines.
pub(crate) fn check(configuration: &Configuration) -> Result<Checked<'_>, ClusterError> {
    let settings = &configuration.cluster;
    if configuration.places.of("auth.secret") == Some(&Place::DevelopmentMode) {
        return Err(ClusterError::DevelopmentMode);
    }
    let secrets = ClusterSecrets::new(settings.secret.iter().map(settings::SigningSecret::reveal))?;
    let Listener::At(listen) = &settings.listen else { return Err(ClusterError::NoListener) };
    let tls = match (settings.tls, &settings.tls_ca) {
        (false, _) => None,
        (true, _) if configuration.tls.certificate.is_none() => return Err(ClusterError::NoCertificate),
        (true, None) => Some(TlsClient::with_system_roots()),
        (true, Some(file)) => Some(client("cluster.tls_ca", file)?),
    };
    if tls.is_none() {
        let is_unspecified = |ip: &IpAddr| ip.is_unspecified() && settings.advertise.is_some();
        let host = listen.host().trim_matches(['[', ']']);
        if let Some(ip) = host.parse().ok().filter(|ip: &IpAddr| !is_unspecified(ip) && !is_private(*ip)) {
            return Err(match ip.is_unspecified() {
                true => ClusterError::NoAdvertisedAddress,
                false => ClusterError::Public { key: "cluster.listen", address: listen.as_str().to_owned() },
            });
        }
    }
    Ok(Checked { redis: redis_settings(settings)?, secrets, listen: listen.as_str(), tls })
}

pub(super) fn redis_settings(settings: &ClusterSettings) -> Result<RedisSettings, ClusterError> {
    let tls_ca = match &settings.redis_tls_ca {
        None => None,
        Some(file) => {
            let pem = read("cluster.redis_tls_ca", file)?;
            TlsClient::with_ca(&pem).map_err(|error| unusable("cluster.redis_tls_ca", file, error))?;
            Some(pem)
        }
    };
    Ok(RedisSettings {
        addresses: settings.redis.0.iter().map(|url| url.address().clone()).collect(),
        username: settings.redis_username.clone(),
        password: settings.redis_password.as_ref().map(|password| password.reveal().to_owned()),
        tls_ca,
    })
}

fn read(key: &'static str, file: &settings::PemFile) -> Result<Vec<u8>, ClusterError> {
    std::fs::read(file.path()).map_err(|error| ClusterError::Unreadable { key, file: file.path().to_owned(), error })
}

fn client(key: &'static str, file: &settings::PemFile) -> Result<TlsClient, ClusterError> {
    TlsClient::with_ca(&read(key, file)?).map_err(|error| unusable(key, file, error))
}

fn unusable(key: &'static str, file: &settings::PemFile, error: CaError) -> ClusterError {
    ClusterError::Unusable { key, file: file.path().to_owned(), error }
}

/// The address that other nodes are told, if none is configured.
pub(super) fn advertised(bound: Option<SocketAddr>) -> Result<NodeAddress, ClusterError> {
    let bound = bound.filter(|address| !address.ip().is_unspecified()).ok_or(ClusterError::NoAdvertisedAddress)?;
    NodeAddress::new(&bound.to_string()).map_err(|_| ClusterError::NoAdvertisedAddress)
}

/// Refuses an address that others than the nodes can reach, because what is sent there is not encrypted.
pub(super) async fn check_private(address: &NodeAddress) -> Result<(), ClusterError> {
    let text = address.as_str();
    let failed = |error| ClusterError::Unresolved { address: text.to_owned(), error };
    let mut found = tokio::net::lookup_host(text).await.map_err(failed)?;
    match found.all(|address| is_private(address.ip())) {
        true => Ok(()),
        false => Err(ClusterError::Public { key: "cluster.advertise", address: text.to_owned() }),
    }
}

#[cfg(test)]
mod tests;
