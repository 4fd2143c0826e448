//! A call on its way to its method.

use std::fmt;
use std::sync::Arc;

use crate::clients::client::Client;
use crate::clients::targets::CalledFrom;
use crate::flag::Flag;
use crate::state::HubState;

/// One call on its way to a method: which client calls, in which hub.
#[derive(Clone)]
pub struct Call {
    client: Arc<Client>,
    state: Arc<HubState>,
    called_from: CalledFrom,
    wants_result: WantsResult,
    /// Raised when the client cancels the stream that the call returns.
    cancelled: Option<Arc<Flag>>,
    /// In `on_disconnected`, why the connection ended if it did not end in an orderly way.
    disconnected: Option<Arc<str>>,
}

impl Call {
    /// A call whose client does not wait for a result.
    pub(crate) fn new(client: Arc<Client>, state: Arc<HubState>, called_from: CalledFrom) -> Self {
        Self { client, state, called_from, wants_result: WantsResult::No, cancelled: None, disconnected: None }
    }

    pub(crate) fn with_wants_result(self, wants_result: WantsResult) -> Self {
        Self { wants_result, ..self }
    }

    pub(crate) fn with_cancelled(self, cancelled: Arc<Flag>) -> Self {
        Self { cancelled: Some(cancelled), ..self }
    }

    pub(crate) fn with_disconnected(self, disconnected: Option<Arc<str>>) -> Self {
        Self { disconnected, ..self }
    }

    pub(crate) fn client(&self) -> &Arc<Client> {
        &self.client
    }

    pub(crate) fn state(&self) -> &Arc<HubState> {
        &self.state
    }

    pub(crate) fn called_from(&self) -> &CalledFrom {
        &self.called_from
    }

    pub(crate) fn wants_result(&self) -> WantsResult {
        self.wants_result
    }

    pub(crate) fn cancelled(&self) -> Option<&Arc<Flag>> {
        self.cancelled.as_ref()
    }

    pub(crate) fn disconnected(&self) -> Option<&Arc<str>> {
        self.disconnected.as_ref()
    }
}

/// Whether the client waits for the result of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WantsResult {
    Yes,
    No,
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").field("client", &self.client.id()).finish_non_exhaustive()
    }
}
