//! What is left to do for the session after the arguments of a call are bound.

use std::fmt;
use std::sync::Arc;

use signalhub_protocol::Value;
use tokio::sync::Notify;

use crate::error::{ErrorDetails, HubError};

/// What binding leaves for the session: the streams that the client will send.
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

/// The session's end of an upload.
pub(crate) trait UploadSink: Send + Sync {
    /// Takes an item. One that does not convert ends the stream.
    fn push(&self, item: &Value<'_>, details: ErrorDetails) -> Pushed;

    /// Ends the stream, with an error if it ends badly.
    fn end(&self, error: Option<HubError>);

    /// Tells whether the client may send on.
    fn has_room(&self) -> bool;
}

/// What became of an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Pushed {
    Taken,
    /// It is of another type, so the stream has ended and is to be forgotten.
    Ended {
        reason: String,
    },
}
