//! What a client connects to, and how.

use std::fmt;

use signalhub_tls_client::{CaError, TlsClient};

use crate::Client;
use crate::connect::{self, ConnectError};

/// The URL of a hub, and the options of a connection to it. It can be connected to several times.
///
/// ```no_run
/// # use signalhub_client::ConnectOptions;
/// # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let options = ConnectOptions::new("wss://hub.internal/chat").with_ca(&std::fs::read("ca.pem")?)?;
/// let client = options.with_token("a token").connect().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct ConnectOptions {
    url: String,
    token: Option<String>,
    tls: Option<TlsClient>,
}

impl ConnectOptions {
    /// Names the hub, by an `http://`, `https://`, `ws://` or `wss://` URL.
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), token: None, tls: None }
    }

    /// Sends this token in the `Authorization` header.
    #[must_use]
    pub fn with_token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(token.into());
        self
    }

    /// Trusts the certificate authorities in this PEM alone, as `curl --cacert` does. Nothing changes for a URL without TLS.
    ///
    /// # Errors
    /// If there is no certificate in it, or one that cannot be read.
    pub fn with_ca(mut self, pem: &[u8]) -> Result<Self, CaError> {
        self.tls = Some(TlsClient::with_ca(pem)?);
        Ok(self)
    }

    /// Connects to the hub.
    ///
    /// # Errors
    /// When the hub cannot be reached, cannot be trusted, or refuses this client: see [`ConnectError`].
    pub async fn connect(&self) -> Result<Client, ConnectError> {
        Ok(Client::over(connect::connect(&self.url, self.token.as_deref(), self.tls.as_ref()).await?))
    }
}

/// Shows neither the token nor the URL, whose query may have one.
impl fmt::Debug for ConnectOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectOptions").finish_non_exhaustive()
    }
}
