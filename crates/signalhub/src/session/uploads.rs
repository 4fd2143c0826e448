//! The streams that a client is sending.

use std::collections::HashMap;
use std::sync::Arc;

use signalhub_protocol::{Completion, Outcome, StreamItem};

use super::running::CallNumber;
use crate::upload::{Pushed, UploadSink};
use crate::{ErrorDetails, HubError};

/// The open uploads of one client, by stream id.
pub(super) struct Uploads {
    open: HashMap<Arc<str>, (CallNumber, Arc<dyn UploadSink>)>,
    details: ErrorDetails,
}

impl Uploads {
    pub(super) fn new(details: ErrorDetails) -> Self {
        Self { open: HashMap::new(), details }
    }

    /// Opens the streams of a call. One that takes the id of an open stream ends that one.
    pub(super) fn open(&mut self, call: CallNumber, ids: Vec<Arc<str>>, sinks: Vec<Arc<dyn UploadSink>>) {
        for (id, sink) in ids.into_iter().zip(sinks) {
            if let Some((_, earlier)) = self.open.insert(id, (call, sink)) {
                earlier.end(Some(HubError::internal("InvalidOperationException", "The stream's id was used again.")));
            }
        }
    }

    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    /// Gives an item to its method; the upload is returned if it is full now. Items of unknown streams are ignored.
    pub(super) fn push(&mut self, item: &StreamItem<'_>) -> Option<Arc<dyn UploadSink>> {
        let (_, sink) = self.open.get(item.invocation_id.as_ref())?;
        if sink.push(&item.item, self.details) == Pushed::Ended {
            self.open.remove(item.invocation_id.as_ref());
            return None;
        }
        (!sink.has_room()).then(|| Arc::clone(sink))
    }

    /// Ends an upload, if the completion is about one.
    pub(super) fn complete(&mut self, completion: &Completion<'_>) -> Option<()> {
        let (_, sink) = self.open.remove(completion.invocation_id.as_ref())?;
        sink.end(match &completion.outcome {
            Outcome::Error(text) => Some(HubError::new(text.as_ref())),
            Outcome::Result(_) | Outcome::Void => None,
        });
        Some(())
    }

    /// Forgets what a call that has ended did not wait for.
    pub(super) fn forget(&mut self, call: CallNumber) {
        self.open.retain(|_, (owner, sink)| {
            let lives = *owner != call;
            if !lives {
                // Whoever reads it outside its method learns that no more comes.
                sink.end(None);
            }
            lives
        });
        if self.open.is_empty() {
            self.open = HashMap::new();
        }
    }

    /// Ends everything because the client has gone.
    pub(super) fn disconnect(&mut self) {
        for (_, (_, sink)) in self.open.drain() {
            sink.end(Some(HubError::internal("IOException", "The underlying connection was closed.")));
        }
    }
}
