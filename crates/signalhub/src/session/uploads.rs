//! The open uploads of a client: streams that it sends to its calls.

use std::collections::HashMap;
use std::sync::Arc;

use signalhub_protocol::{Completion, Outcome, StreamItem};

use crate::calls::binding::{Pushed, UploadSink};
use crate::error::{ErrorDetails, HubError};
use crate::panics;

/// Identifies a call of its session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct CallNumber(u64);

impl CallNumber {
    pub(super) fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// The open uploads of one client, by their stream ids.
pub(super) struct Uploads {
    open: HashMap<Arc<str>, Open>,
    details: ErrorDetails,
}

/// An open upload and the call that it belongs to.
struct Open {
    call: CallNumber,
    method: Arc<str>,
    sink: Arc<dyn UploadSink>,
}

/// What happened to an item.
pub(super) enum Received {
    Taken,
    /// It was taken and filled the buffer of its upload, so no message is read until the upload has room.
    Full(Arc<dyn UploadSink>),
    /// There is no open upload with its id.
    Unknown,
    /// It does not convert to the type of its upload, so the upload has ended.
    Refused {
        method: Arc<str>,
        cause: Unbound,
    },
}

/// Why an item does not convert to the type of its upload.
pub(super) enum Unbound {
    /// It is of another type.
    Mismatch(String),
    /// The `Deserialize` of the type panicked.
    Panicked,
}

impl Uploads {
    pub(super) fn new(details: ErrorDetails) -> Self {
        Self { open: HashMap::new(), details }
    }

    /// Opens the uploads of a call. If an id is already in use, the earlier upload with this id ends with an error.
    pub(super) fn open(
        &mut self,
        (call, method): (CallNumber, &Arc<str>),
        ids: &[Arc<str>],
        sinks: Vec<Arc<dyn UploadSink>>,
    ) {
        for (id, sink) in ids.iter().zip(sinks) {
            let opened = Open { call, method: Arc::clone(method), sink };
            if let Some(earlier) = self.open.insert(Arc::clone(id), opened) {
                earlier
                    .sink
                    .end(Some(HubError::internal("InvalidOperationException", "The stream's id was used again.")));
            }
        }
    }

    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    /// Passes an item to its upload, if that is open.
    pub(super) fn push(&mut self, item: &StreamItem<'_>) -> Received {
        let id = item.invocation_id.as_ref();
        let Some(Open { method, sink, .. }) = self.open.get(id) else { return Received::Unknown };
        let cause = match panics::catch(|| sink.push(&item.item, self.details)) {
            Some(Pushed::Taken) => None,
            Some(Pushed::Ended { reason }) => Some(Unbound::Mismatch(reason)),
            None => {
                sink.end(Some(HubError::new("Failed to bind Stream message.")));
                Some(Unbound::Panicked)
            }
        };
        if let Some(cause) = cause {
            let method = Arc::clone(method);
            self.open.remove(id);
            return Received::Refused { method, cause };
        }
        if sink.has_room() { Received::Taken } else { Received::Full(Arc::clone(sink)) }
    }

    /// Ends the upload with the id of the completion; `None` if there is none.
    pub(super) fn complete(&mut self, completion: &Completion<'_>) -> Option<()> {
        let Open { sink, .. } = self.open.remove(completion.invocation_id.as_ref())?;
        sink.end(match &completion.outcome {
            Outcome::Error(text) => Some(HubError::new(text.as_ref())),
            Outcome::Result(_) | Outcome::Void => None,
        });
        Some(())
    }

    /// Ends the uploads of a call that has ended, if they are still open.
    pub(super) fn forget(&mut self, call: CallNumber, ids: &[Arc<str>]) {
        for id in ids {
            if self.open.get(id).is_some_and(|open| open.call == call)
                && let Some(open) = self.open.remove(id)
            {
                // A task that outlives the method may still read the upload: it sees the end.
                open.sink.end(None);
            }
        }
        if !ids.is_empty() && self.open.is_empty() {
            self.open = HashMap::new();
        }
    }

    /// Ends all uploads with an error, because the connection has ended.
    pub(super) fn disconnect(&mut self) {
        for (_, open) in self.open.drain() {
            open.sink.end(Some(HubError::disconnected("The underlying connection was closed.")));
        }
    }
}
