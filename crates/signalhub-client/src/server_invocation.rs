//! A call from the hub to the client.

use serde::de::DeserializeOwned;
use signalhub_protocol::{BindError, Protocol};

/// A call of a client method, made by the hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerInvocation {
    /// The name of the method.
    pub target: String,
    /// The array of arguments, as it was sent.
    arguments: String,
}

impl ServerInvocation {
    pub(crate) fn new(target: String, arguments: String) -> Self {
        Self { target, arguments }
    }

    /// Returns the arguments as the JSON array that was sent.
    pub fn arguments(&self) -> &str {
        &self.arguments
    }

    /// Converts the arguments to a tuple.
    ///
    /// # Errors
    /// When their number or types are not those of the tuple.
    pub fn bind<T: DeserializeOwned>(&self) -> Result<T, BindError> {
        Protocol::Json.value(self.arguments.as_bytes()).bind()
    }
}
