//! The API keys and client certificates that may publish, and the clients they belong to.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use signalhub::connections::ClientCertificate;
use signalhub::events::Pattern;

use crate::configuration::{
    ApiKey, CertificateName, ClientName, ExpiryTime, KeyDigest, Nearness, PublishClient, RateLimit, SHORTEST_KEY,
};
use crate::http_api::counts::ClientCounters;

/// The keys of all clients, as digests.
#[derive(Debug)]
pub(super) struct ApiClients {
    keys: Vec<(KeyDigest, KeyHolder)>,
    /// The clients that have a certificate and no key.
    certified: Vec<Arc<ApiClient>>,
    counters: Arc<ClientCounters>,
}

/// The holder of a key.
#[derive(Clone, Debug)]
pub(super) enum KeyHolder {
    /// A client without a name, which may publish everything; the key is of `publish.keys`.
    Unnamed(KeyDigest),
    /// A client of `publish.clients`.
    Named(Arc<ApiClient>),
}

/// A client with a name and rights of its own.
#[derive(Debug)]
pub(super) struct ApiClient {
    pub(super) name: ClientName,
    /// What it may publish; `None` for all events.
    pub(super) events: Option<Vec<Pattern>>,
    /// Whom it may publish for; `None` for all organisations, and for notifications without one.
    pub(super) organisations: Option<Vec<String>>,
    /// Its own rate; `None` for the common one.
    pub(super) rate: Option<RateLimit>,
    expires: Option<ExpiryTime>,
    /// Whether only the digest of its key is known.
    is_digest: bool,
    certificate: Option<CertificateName>,
    published: Arc<AtomicU64>,
}

impl ApiClients {
    pub(super) fn new(keys: &[ApiKey], clients: &[PublishClient]) -> Self {
        let counters = ClientCounters::new(clients.iter().map(|client| &client.name));
        let unnamed = keys.iter().map(|key| KeyDigest::of(key.reveal().as_bytes()));
        let mut keys: Vec<_> = unnamed.map(|digest| (digest, KeyHolder::Unnamed(digest))).collect();
        let mut certified = Vec::new();
        for settings in clients {
            let client = Arc::new(ApiClient::new(settings, counters.of(&settings.name)));
            match settings.key_digest() {
                Some(digest) => keys.push((digest, KeyHolder::Named(client))),
                None => certified.push(client),
            }
        }
        Self { keys, certified, counters: Arc::new(counters) }
    }

    /// Finds the first client that needs this certificate and no key. One whose access has expired is found only if there is no
    /// other: the entry that replaces it may name the same certificate in another way.
    pub(super) fn certified(&self, certificate: &ClientCertificate, now: SystemTime) -> Option<&Arc<ApiClient>> {
        let mut fitting = self.certified.iter().filter(|client| client.fits(Some(certificate)));
        let first = fitting.next()?;
        if first.has_expired(now) {
            fitting.find(|client| !client.has_expired(now)).or(Some(first))
        } else {
            Some(first)
        }
    }

    pub(super) fn counters(&self) -> Arc<ClientCounters> {
        Arc::clone(&self.counters)
    }

    /// Finds the holder of a key. It is compared with every key, so that the time it takes reveals nothing about any of them.
    pub(super) fn holder(&self, key: &[u8]) -> Option<&KeyHolder> {
        let given = KeyDigest::of(key);
        let found = self.keys.iter().fold(None, |found, (digest, holder)| {
            let matches = black_box(verify_slices_are_equal(digest.bytes(), given.bytes()).is_ok());
            found.or(matches.then_some(holder))
        });
        // The length of a key is checked at the start, but not of one whose digest is configured.
        found.filter(|holder| match holder {
            KeyHolder::Unnamed(_) => true,
            KeyHolder::Named(client) => !client.is_digest || key.len() >= SHORTEST_KEY,
        })
    }
}

impl KeyHolder {
    /// Tells whether the holder is the client of this certificate, or needs none.
    pub(super) fn fits(&self, certificate: Option<&ClientCertificate>) -> bool {
        match self {
            Self::Unnamed(_) => true,
            Self::Named(client) => {
                let fits = client.fits(certificate);
                if !fits {
                    tracing::debug!(publisher = %client.name.as_str(), "an API key came without the certificate of its client");
                }
                fits
            }
        }
    }
}

impl ApiClient {
    fn new(settings: &PublishClient, published: Arc<AtomicU64>) -> Self {
        Self {
            name: settings.name.clone(),
            events: settings.events.clone(),
            organisations: settings.organisations.clone(),
            rate: settings.rate,
            expires: settings.expires,
            is_digest: settings.key_sha256.is_some(),
            certificate: settings.certificate.clone(),
            published,
        }
    }

    /// Tells whether it is the client of this certificate, or needs none.
    pub(super) fn fits(&self, certificate: Option<&ClientCertificate>) -> bool {
        let is_of = |name: &CertificateName| certificate.is_some_and(|certificate| name.is_of(certificate));
        self.certificate.as_ref().is_none_or(is_of)
    }

    pub(super) fn has_expired(&self, now: SystemTime) -> bool {
        self.expires.is_some_and(|expires| expires.nearness(now) == Nearness::Past)
    }

    pub(super) fn may_publish(&self, event: &str) -> bool {
        self.events.as_ref().is_none_or(|events| events.iter().any(|pattern| pattern.matches(event)))
    }

    pub(super) fn may_publish_for(&self, organisation: Option<&str>) -> bool {
        let is_own = |own: &Vec<String>| organisation.is_some_and(|name| own.iter().any(|own| own == name));
        self.organisations.as_ref().is_none_or(is_own)
    }

    pub(super) fn count_published(&self) {
        self.published.fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
