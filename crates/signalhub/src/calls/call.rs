//! A call on its way to its method.

use std::fmt;
use std::sync::Arc;

use signalhub_connections::{ConnectionId, Identity};

use super::caller::{Caller, Cancellation};
use crate::clients::client::Client;
use crate::clients::groups::Groups;
use crate::clients::targets::{CalledFrom, Clients};
use crate::flag::Flag;
use crate::state::HubState;

/// One call of a method or a hook: what [extractors](crate::Extract) are made from.
#[derive(Clone)]
pub struct Call {
    client: Arc<Client>,
    state: Arc<HubState>,
    called_from: CalledFrom,
    occasion: Occasion,
    wants_result: WantsResult,
    /// Raised when the client cancels the stream that the call returns.
    cancelled: Option<Arc<Flag>>,
}

/// What is called.
#[derive(Clone)]
pub(crate) enum Occasion {
    /// The method of this name, by a client.
    Method(Arc<str>),
    /// The client has connected.
    Connected,
    /// The connection has ended; with a reason if it did not end in an orderly way.
    Disconnected(Option<Arc<str>>),
}

impl Call {
    /// A call whose client does not wait for a result.
    pub(crate) fn new(client: Arc<Client>, state: Arc<HubState>, called_from: CalledFrom, occasion: Occasion) -> Self {
        Self { client, state, called_from, occasion, wants_result: WantsResult::No, cancelled: None }
    }

    pub(crate) fn with_wants_result(self, wants_result: WantsResult) -> Self {
        Self { wants_result, ..self }
    }

    pub(crate) fn with_cancelled(self, cancelled: Arc<Flag>) -> Self {
        Self { cancelled: Some(cancelled), ..self }
    }

    /// The name of the method as it was registered; `None` in `on_connected` and `on_disconnected`.
    pub fn method(&self) -> Option<&str> {
        match &self.occasion {
            Occasion::Method(name) => Some(name),
            Occasion::Connected | Occasion::Disconnected(_) => None,
        }
    }

    /// The id of the client's connection.
    pub fn client_id(&self) -> &ConnectionId {
        self.client.id()
    }

    /// Who the client is, by the credentials that it has now.
    pub fn client_identity(&self) -> Arc<Identity> {
        self.client.identity()
    }

    /// The client that calls.
    pub fn caller(&self) -> Caller {
        Caller::new(Arc::clone(&self.client), Arc::clone(&self.state))
    }

    /// Sends to clients of the hub.
    pub fn clients(&self) -> Clients {
        Clients::of_caller(Arc::clone(&self.state.clients), Arc::clone(&self.client), self.called_from.clone())
    }

    /// Adds clients of the hub to groups and removes them.
    pub fn groups(&self) -> Groups {
        Groups::new(Arc::clone(&self.state.clients))
    }

    /// Tells when the result of the call is no longer needed.
    pub fn cancellation(&self) -> Cancellation {
        Cancellation::new(self.cancelled.clone(), Arc::clone(&self.client))
    }

    pub(crate) fn client(&self) -> &Arc<Client> {
        &self.client
    }

    pub(crate) fn wants_result(&self) -> WantsResult {
        self.wants_result
    }

    /// Why the connection ended, if it did not end in an orderly way.
    pub(crate) fn disconnected(&self) -> Option<&Arc<str>> {
        match &self.occasion {
            Occasion::Disconnected(reason) => reason.as_ref(),
            Occasion::Method(_) | Occasion::Connected => None,
        }
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
        f.debug_struct("Call").field("method", &self.method()).field("client", self.client.id()).finish_non_exhaustive()
    }
}
