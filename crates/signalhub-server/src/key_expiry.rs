//! Warns of API keys that expire soon or have expired, while the server runs.

use std::convert::Infallible;
use std::future;
use std::time::{Duration, SystemTime};

use crate::configuration::{Nearness, PublishClient, expiry_warning};

/// How often the keys are looked at.
const INTERVAL: Duration = Duration::from_secs(60);

/// The API keys that expire.
#[derive(Debug)]
pub(crate) struct KeyExpiry(Vec<ExpiringKey>);

#[derive(Debug)]
struct ExpiringKey {
    /// The place of the client in the configuration.
    index: usize,
    client: PublishClient,
    /// What was warned of already, here or at the start.
    known: Nearness,
}

impl KeyExpiry {
    /// Looks for the keys that expire. What can be warned of now is left to the warnings of the start.
    pub(crate) fn new(clients: &[PublishClient], now: SystemTime) -> Self {
        let keys = clients.iter().enumerate().filter_map(|(index, client)| {
            let known = client.expires?.nearness(now);
            Some(ExpiringKey { index, client: client.clone(), known })
        });
        Self(keys.collect())
    }

    /// Logs each warning once, when it is due.
    pub(crate) async fn run(mut self) -> Infallible {
        if self.0.is_empty() {
            return future::pending().await;
        }
        loop {
            tokio::time::sleep(INTERVAL).await;
            self.due(SystemTime::now()).for_each(|warning| tracing::warn!("{warning}"));
        }
    }

    /// The warnings that were not due before.
    fn due(&mut self, now: SystemTime) -> impl Iterator<Item = String> {
        self.0.iter_mut().filter_map(move |key| {
            let nearness = key.client.expires?.nearness(now);
            if nearness <= key.known {
                return None;
            }
            key.known = nearness;
            expiry_warning(key.index, &key.client, now)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::configuration::{ClientName, ExpiryTime};

    #[test]
    fn each_warning_is_given_once_when_it_is_due() {
        let start = SystemTime::now();
        let at = |hours: u64| start + Duration::from_secs(hours * 3600);
        let client = |name: &str, hours| PublishClient {
            name: ClientName::new(name).unwrap(),
            expires: Some(ExpiryTime::new(at(hours))),
            ..PublishClient::default()
        };
        let clients = [client("far", 200), client("soon", 100), client("past", 0), PublishClient::default()];
        let mut expiry = KeyExpiry::new(&clients, start);
        let rows: &[(u64, &[&str])] = &[
            (0, &[]),
            (31, &[]),
            (32, &["publish.clients[0]: the access of far expires soon"]),
            (33, &[]),
            // The clock was set back.
            (0, &[]),
            (40, &[]),
            (100, &["publish.clients[1]: the access of soon has expired"]),
            (300, &["publish.clients[0]: the access of far has expired"]),
            (301, &[]),
        ];
        for (hours, expected) in rows {
            let warnings: Vec<_> = expiry.due(at(*hours)).collect();
            assert_eq!(warnings.len(), expected.len(), "{hours}: {warnings:?}");
            assert!(warnings.iter().zip(*expected).all(|(warning, text)| warning.starts_with(text)), "{warnings:?}");
        }
    }
}
