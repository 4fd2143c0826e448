//! Calls between binding and their start.

use std::sync::Arc;

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
    /// The streams that the client says it will send.
    pub(super) stream_ids: Vec<Arc<str>>,
    /// The streams that the method takes.
    pub(super) uploads: Vec<Arc<dyn UploadSink>>,
    pub(super) bound: BoundCall,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum CallKind {
    Invocation,
    StreamInvocation,
}

impl PendingCall {
    /// Calls with a stream in either direction do not wait for other calls.
    pub(super) fn needs_slot(&self) -> bool {
        self.kind == CallKind::Invocation && self.method.signature().streams == 0
    }
}
