//! What binding the parameters of a call leaves for the session: the uploads that it has to feed.

use std::fmt;
use std::sync::Arc;

use signalhub_protocol::Value;
use tokio::sync::Notify;

use crate::error::{ErrorDetails, HubError};

/// What is collected while arguments are bound: the streams that the client will send.
pub struct Bindings<'a> {
    pub(crate) capacity: usize,
    pub(crate) resume: &'a Arc<Notify>,
    pub(crate) uploads: Vec<Arc<dyn UploadSink>>,
}

impl fmt::Debug for Bindings<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bindings({} uploads)", self.uploads.len())
    }
}

/// The side of an upload that the session feeds.
pub(crate) trait UploadSink: Send + Sync {
    /// Takes an item. An item that does not convert ends the stream.
    fn push(&self, item: &Value<'_>, details: ErrorDetails) -> Pushed;

    /// Ends the stream, with an error if it ends badly.
    fn end(&self, error: Option<HubError>);

    /// Whether the client may send another item.
    fn has_room(&self) -> bool;
}

/// What an upload did with an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Pushed {
    Taken,
    /// The item is of another type, so the stream has ended and must be removed.
    Ended {
        reason: String,
    },
}
