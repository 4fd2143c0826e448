//! The clients of the publish API: programs with a name, a key and rights of their own.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use signalhub::events::Pattern;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{Date, OffsetDateTime};

use super::setting::{Given, Setting, TableKeyDoc, quoted};
use super::table::{Table, TableFault, TableKey, table};
use super::{ApiKey, CertificateName, KeyDigest, RateLimit};

table! {
    /// A program that publishes.
    PublishClient "publish.clients" {
        /// The name of the client, for logs and metrics. Required. Several entries may have the same name, such as one with the old key and one with the new one; they share one allowance.
        name: ClientName = ClientName::default();
        /// The SHA-256 of the key, as `signalhub key create` prints it. Each entry needs `key_sha256` or `key`, a key that no other entry has, or `certificate`.
        key_sha256: Option<KeyDigest> = None;
        /// The key itself, outside development mode of at least 20 characters.
        key: Option<ApiKey> = None;
        /// The certificate of the client: a DNS name or a URI among its subject alternative names, or `sha256:` and its fingerprint. With a key as well, both must fit; without one, the certificate is enough. Needs `tls.client_auth`.
        certificate: Option<CertificateName> = None;
        /// The events that the client may publish, names may end with `*`; all when it is absent.
        events: Option<Vec<Pattern>> = None;
        /// The organisations that the client may publish for, one of which each notification must then name; all when it is absent.
        organisations: Option<Vec<String>> = None;
        /// How many notifications the client may publish, the same for all entries of its name; `publish.rate` when it is absent.
        rate: Option<RateLimit> = None;
        /// When the key expires: a time, or a date, which means its beginning in UTC. The server warns of it a week before.
        expires: Option<ExpiryTime> = None;
    }
    missing {
        "organisation": "organisations, a list",
        "event": "events, a list",
    }
    check(clients) {
        clients.iter().enumerate().try_for_each(|(index, client)| {
            let wrong = |key, expected| Err(TableFault { index, key, expected });
            let others = &clients[..index];
            if client.name == ClientName::default() {
                return wrong("name", "the name of the client");
            }
            let keys = usize::from(client.key.is_some()) + usize::from(client.key_sha256.is_some());
            if keys > 1 || keys == 0 && client.certificate.is_none() {
                return wrong("", "one of the keys key_sha256 and key, or certificate");
            }
            let is_same = |other: &Self| other.key_digest() == client.key_digest();
            if keys == 1 && others.iter().any(is_same) {
                return wrong("", "a key that no other entry has");
            }
            if keys == 0 && others.iter().any(|other| is_same(other) && other.certificate == client.certificate) {
                return wrong("certificate", "a certificate that no other entry without a key has");
            }
            if client.key_digest() == Some(KeyDigest::of(b"")) {
                return wrong("key_sha256", "the SHA-256 of a key, not of an empty text");
            }
            if client.events.as_ref().is_some_and(Vec::is_empty) {
                return wrong("events", "at least one event; without the key, the client may publish all events");
            }
            if client.organisations.as_ref().is_some_and(|list| list.is_empty() || list.iter().any(|name| name.contains('*'))) {
                return wrong("organisations", "at least one organisation, without *; without the key, the client may publish for all");
            }
            if others.iter().any(|other| other.name == client.name && other.rate != client.rate) {
                return wrong("rate", "the same rate as the other entries of this name, which share one allowance");
            }
            Ok(())
        })
    }
}

impl PublishClient {
    /// The digest of its key.
    pub(crate) fn key_digest(&self) -> Option<KeyDigest> {
        self.key.as_ref().map(|key| KeyDigest::of(key.reveal().as_bytes())).or(self.key_sha256)
    }
}

/// The name of a client of the publish API.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ClientName(Arc<str>);

impl ClientName {
    /// What a name looks like, to stand after "expected".
    pub(crate) const EXPECTED_NAME: &'static str =
        "a name of 1 to 64 letters of ASCII, digits, dots, hyphens and underscores, other than \"other\"";

    /// The label of the clients beyond those that metrics tell apart.
    pub(crate) const OTHERS: &'static str = "other";

    /// Wraps a name; `None` if it has other characters, is too long, or is `other`, which metrics use.
    pub fn new(name: &str) -> Option<Self> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let is_good = (1..=64).contains(&name.len()) && name.bytes().all(is_plain) && name != Self::OTHERS;
        is_good.then(|| Self(name.into()))
    }

    /// Returns it as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Setting for ClientName {
    const EXPECTED: &'static str = Self::EXPECTED_NAME;

    fn parse(given: &Given<'_>) -> Option<Self> {
        Self::new(given.text()?)
    }

    fn written(&self) -> String {
        if self.0.is_empty() { String::new() } else { quoted(&self.0) }
    }
}

/// When a key expires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExpiryTime(OffsetDateTime);

impl ExpiryTime {
    /// How long before it the server warns.
    const WARNED_BEFORE: Duration = Duration::from_secs(7 * 24 * 3600);

    #[cfg(test)]
    pub(crate) fn new(time: SystemTime) -> Self {
        Self(time.into())
    }

    /// Tells how near it is.
    pub(crate) fn nearness(self, now: SystemTime) -> Nearness {
        match SystemTime::from(self.0).duration_since(now) {
            Ok(left) if left > Self::WARNED_BEFORE => Nearness::Far,
            Ok(left) if !left.is_zero() => Nearness::Soon,
            _ => Nearness::Past,
        }
    }
}

/// How near the end of a key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Nearness {
    /// More than a week.
    Far,
    /// A week or less.
    Soon,
    /// The key has expired.
    Past,
}

impl fmt::Display for ExpiryTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.format(&Rfc3339).unwrap_or_default())
    }
}

impl Setting for ExpiryTime {
    const EXPECTED: &'static str = "a date such as \"2027-01-31\", or a time such as \"2027-01-31T12:00:00Z\"";

    fn parse(given: &Given<'_>) -> Option<Self> {
        let text = given.text_or_time()?;
        let date = Date::parse(&text, format_description!("[year]-[month]-[day]"));
        let time = date.map(|date| date.midnight().assume_utc()).or_else(|_| OffsetDateTime::parse(&text, &Rfc3339));
        time.ok().map(Self)
    }

    fn written(&self) -> String {
        quoted(&self.to_string())
    }
}

#[cfg(test)]
mod tests;
