//! Emits notifications.

#[cfg(feature = "broker")]
mod broker;
#[cfg(feature = "http")]
mod http;
#[cfg(feature = "http")]
mod options;
#[cfg(feature = "http")]
mod retries;

#[cfg(feature = "http")]
pub use self::http::{Credentials, NotifierError};
#[cfg(feature = "http")]
pub use self::options::PublishOptions;
#[cfg(feature = "http")]
pub use self::retries::Retries;
use crate::payload::PayloadError;
use crate::publish_body::{NotificationEvent, PublishBody};
use crate::receipt::Receipt;

/// Emits notifications, to a broker in the same process or to a hub's publish API. Clones share their connections.
///
/// # Repeats
/// Each publish to a hub has an idempotency key: 128 random bits, unless the caller gives a key or wants none
/// (`PublishOptions`). It is sent in the header `Idempotency-Key`, and the hub publishes what has the same key once. So a `Notifier`
/// tries again, with the same key, when the hub cannot be reached, does not answer in time, is lost before its answer, or answers with
/// status 429, 500, 502, 503 or 504. After any other answer it does not try again, nor if TLS fails. Without a key it tries again only
/// if no connection could be made.
///
/// By default there are at most 10 tries of at most 10 s each, within 30 s together (`with_timeout`, `with_retries`). The caller gets
/// its result within this time limit, whatever the hub does. Time is that of tokio's clock, which tests can pause.
///
/// A `Notifier` has no queue and no task: a publish goes on while its future is polled. If the future is dropped, there is no further
/// try, and the one under way is cancelled; whether the hub has published the event is not known then. To repeat it later, give a key
/// of your own.
#[derive(Debug, Clone)]
pub struct Notifier {
    route: Route,
}

#[derive(Debug, Clone)]
enum Route {
    #[cfg(feature = "broker")]
    Broker(signalhub_events::Broker),
    #[cfg(feature = "http")]
    Http(std::sync::Arc<http::PublishApi>),
}

impl Notifier {
    /// Emits to a broker in the same process.
    #[cfg(feature = "broker")]
    #[must_use]
    pub fn new(broker: signalhub_events::Broker) -> Self {
        Self { route: Route::Broker(broker) }
    }

    /// Emits to the publish API of the hub at `base_url`, such as `http://hub:3000` or, with the feature `https`,
    /// `https://hub.example.com`. With `https` its certificate must be from an authority that the system trusts, unless `with_ca` names
    /// others.
    ///
    /// # Errors
    /// Refuses a URL that is neither `http://` nor `https://`, and credentials that cannot stand in a header.
    #[cfg(feature = "http")]
    pub fn http(base_url: &str, credentials: Credentials<'_>) -> Result<Self, NotifierError> {
        let api = http::PublishApi::new(base_url, credentials)?;
        Ok(Self { route: Route::Http(std::sync::Arc::new(api)) })
    }

    /// Sets within what time a hub must answer one try; 10 s by default. A broker in the same process needs no time.
    #[cfg(feature = "http")]
    #[must_use]
    pub fn with_timeout(self, timeout: std::time::Duration) -> Self {
        self.with_api(|api| api.with_timeout(timeout))
    }

    /// Sets how often and for how long a publish is tried. A broker in the same process is called once.
    #[cfg(feature = "http")]
    #[must_use]
    pub fn with_retries(self, retries: Retries) -> Self {
        self.with_api(|api| api.with_retries(retries))
    }

    #[cfg(feature = "http")]
    fn with_api(self, change: impl FnOnce(&http::PublishApi) -> http::PublishApi) -> Self {
        match self.route {
            Route::Http(api) => Self { route: Route::Http(std::sync::Arc::new(change(&api))) },
            #[cfg(feature = "broker")]
            Route::Broker(_) => self,
        }
    }

    /// Trusts the certificate authorities in this PEM alone, as `curl --cacert` does: for a hub whose certificate is from a
    /// private authority, or made by itself. Nothing changes for a hub at an `http://` URL and for a broker.
    ///
    /// # Errors
    /// If there is no certificate in it, or one that cannot be read.
    #[cfg(feature = "https")]
    pub fn with_ca(self, pem: &[u8]) -> Result<Self, NotifierError> {
        match self.route {
            Route::Http(api) => Ok(Self { route: Route::Http(std::sync::Arc::new(api.with_ca(pem)?)) }),
            #[cfg(feature = "broker")]
            Route::Broker(_) => Ok(self),
        }
    }

    /// Emits one notification and returns the receipt for it.
    ///
    /// # Errors
    /// If a hub refused the only try with a status below 500, or there was no connection, the notification was not published, nor
    /// after an error of a broker or a payload. After any other error that is not known: one of the tries may have published it.
    pub async fn notify(&self, event: &impl NotificationEvent) -> Result<Receipt, NotifyError> {
        self.publish(event.publish_body()?).await
    }

    /// Publishes a body, also one of an event that Portos does not define, and returns the receipt for it.
    ///
    /// # Errors
    /// As [`notify`](Self::notify).
    pub async fn publish(&self, body: PublishBody) -> Result<Receipt, NotifyError> {
        match &self.route {
            #[cfg(feature = "broker")]
            Route::Broker(broker) => broker::publish(broker, body).await,
            #[cfg(feature = "http")]
            Route::Http(api) => api.publish(&body, &PublishOptions::new()).await,
        }
    }

    /// Publishes a body with options: an idempotency key of the caller, or none, and what the hub waits for.
    ///
    /// # Errors
    /// As [`notify`](Self::notify). Refuses a given key and a wait if the notifications go to a broker in the same process.
    #[cfg(feature = "http")]
    pub async fn publish_with(&self, body: PublishBody, options: &PublishOptions) -> Result<Receipt, NotifyError> {
        match &self.route {
            #[cfg(feature = "broker")]
            Route::Broker(broker) => match options.of_hubs_only() {
                Some(option) => Err(NotifyError::OfHubsOnly(option)),
                None => broker::publish(broker, body).await,
            },
            Route::Http(api) => api.publish(&body, options).await,
        }
    }
}

/// Tells why a notification was not emitted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NotifyError {
    /// The payload is not what Portos documents.
    #[error(transparent)]
    Payload(#[from] PayloadError),
    /// The broker refused it.
    #[cfg(feature = "broker")]
    #[error(transparent)]
    Broker(#[from] signalhub_events::PublishError),
    /// A broker in the same process does not have this option.
    #[cfg(all(feature = "broker", feature = "http"))]
    #[error("a broker in the same process takes no {0}")]
    OfHubsOnly(&'static str),
    /// The hub could not be reached, or the connection was lost before its answer.
    #[cfg(feature = "http")]
    #[error("the hub could not be reached{}", tried(*.tries))]
    Unreachable {
        /// How often it was tried.
        tries: u32,
        /// Why the last try failed.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The hub cannot be trusted, or does not speak TLS. Nothing was sent to it.
    #[cfg(feature = "https")]
    #[error(transparent)]
    Tls(signalhub_tls_client::TlsProblem),
    /// The hub did not answer in time.
    #[cfg(feature = "http")]
    #[error("the hub did not answer within {}{}", time(*.elapsed), tried(*.tries))]
    TimedOut {
        /// How often it was tried.
        tries: u32,
        /// The time since the publish began.
        elapsed: std::time::Duration,
    },
    /// The hub refused it.
    #[cfg(feature = "http")]
    #[error("the hub refused with {status} {code}: {title}{}{}", .detail.as_ref().map(|detail| format!(" ({detail})")).unwrap_or_default(), tried(*.tries))]
    Refused {
        /// How often it was tried.
        tries: u32,
        /// The HTTP status of the last try.
        status: u16,
        /// The stable code of the problem.
        code: String,
        /// What the problem is.
        title: String,
        /// What was wrong with this notification.
        detail: Option<String>,
    },
    /// The response came from something other than a hub: it is neither a receipt nor a problem.
    #[cfg(feature = "http")]
    #[error("the answer with status {status} is neither a receipt nor a problem{}", tried(*.tries))]
    UnknownAnswer {
        /// How often it was tried.
        tries: u32,
        /// The HTTP status of the last try.
        status: u16,
        /// The body, as text, without the credentials. Empty if it is longer than 64 KiB.
        body: String,
    },
}

/// Tells in an error how often a publish was tried, unless once.
#[cfg(feature = "http")]
fn tried(tries: u32) -> String {
    if tries > 1 { format!(" (tried {tries} times)") } else { String::new() }
}

/// Writes a time in an error.
#[cfg(feature = "http")]
fn time(time: std::time::Duration) -> String {
    match time.as_secs() {
        0 => format!("{} ms", time.as_millis()),
        seconds => format!("{seconds} s"),
    }
}

#[cfg(test)]
mod tests;
