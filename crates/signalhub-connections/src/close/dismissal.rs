//! The dismissal: what an operator wants of a connection that it ends.

use std::sync::Arc;

/// How an operator ends a connection. Its handler tells the client.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dismissal {
    /// Whether the client may reconnect by itself.
    pub allow_reconnect: bool,
    /// A text for the client, if there is one.
    pub reason: Option<Arc<str>>,
}
