//! Calls whose arguments are bound and that have not started yet.

use std::sync::Arc;

use signalhub_events::TraceParent;

use crate::calls::binding::UploadSink;
use crate::calls::handler::BoundCall;
use crate::calls::method::Method;

/// A call whose arguments are bound and which has not started.
pub(super) struct PendingCall {
    pub(super) method: Arc<Method>,
    /// The name for error texts: as registered, unless the client spelt it with escapes.
    pub(super) target: Arc<str>,
    /// `None` for a call that wants no answer.
    pub(super) id: Option<Arc<str>>,
    pub(super) kind: CallKind,
    /// The ids of the streams that the client announced with the call.
    pub(super) stream_ids: Vec<Arc<str>>,
    /// Where the items of these streams go: one for each [`Upload`](crate::Upload) parameter of the method.
    pub(super) uploads: Vec<Arc<dyn UploadSink>>,
    pub(super) bound: BoundCall,
    /// The trace that the client named in the headers of the call.
    pub(super) trace: Option<TraceParent>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum CallKind {
    Invocation,
    StreamInvocation,
}

impl PendingCall {
    /// Whether the call needs a call slot. A call with a stream in either direction starts at once, as in the original.
    pub(super) fn needs_slot(&self) -> bool {
        self.kind == CallKind::Invocation && self.method.signature().streams == 0
    }
}
