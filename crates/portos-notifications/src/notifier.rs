//! Emits notifications.

#[cfg(feature = "broker")]
mod broker;
#[cfg(feature = "http")]
mod http;

#[cfg(feature = "http")]
pub use self::http::{Credentials, NotifierError};
use crate::payload::PayloadError;
use crate::publish_body::{NotificationEvent, PublishBody};
use crate::receipt::Receipt;

/// Emits notifications, to a broker in the same process or to a hub's publish API. Clones share their connections.
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
    /// `https://hub.example.com`. A hub that does not answer within 10 s has failed. With `https` its certificate must be from an
    /// authority that the system trusts, unless `with_ca` names others.
    ///
    /// # Errors
    /// Refuses a URL that is neither `http://` nor `https://`, and credentials that cannot stand in a header.
    #[cfg(feature = "http")]
    pub fn http(base_url: &str, credentials: Credentials<'_>) -> Result<Self, NotifierError> {
        let api = http::PublishApi::new(base_url, credentials)?;
        Ok(Self { route: Route::Http(std::sync::Arc::new(api)) })
    }

    /// Sets within what time a hub must answer; 10 s by default. A broker in the same process needs no time.
    #[cfg(feature = "http")]
    #[must_use]
    pub fn with_timeout(self, timeout: std::time::Duration) -> Self {
        match self.route {
            Route::Http(api) => Self { route: Route::Http(std::sync::Arc::new(api.with_timeout(timeout))) },
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
    /// After an error that is neither a timeout nor a lost connection, nothing was published; after those it is not known.
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
            Route::Http(api) => api.publish(&body).await,
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
    /// The hub could not be reached, or the connection was lost before its answer.
    #[cfg(feature = "http")]
    #[error("the hub could not be reached")]
    Unreachable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The hub cannot be trusted, or does not speak TLS. Nothing was sent to it.
    #[cfg(feature = "https")]
    #[error(transparent)]
    Tls(signalhub_tls_client::TlsProblem),
    /// The hub did not answer in time.
    #[cfg(feature = "http")]
    #[error("the hub did not answer within {} s", .0.as_secs())]
    TimedOut(std::time::Duration),
    /// The hub refused it.
    #[cfg(feature = "http")]
    #[error("the hub refused with {status} {code}: {title}{}", .detail.as_ref().map(|detail| format!(" ({detail})")).unwrap_or_default())]
    Refused {
        /// The HTTP status.
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
    #[error("the answer with status {status} is neither a receipt nor a problem")]
    UnknownAnswer {
        /// The HTTP status.
        status: u16,
        /// The body, as text.
        body: String,
    },
}

#[cfg(test)]
mod tests;
