//! A call on its way to its method.

use std::fmt;
use std::sync::Arc;

use serde::de::{DeserializeOwned, IgnoredAny};
use signalhub_connections::{ConnectionId, Identity, TokenRefresher};
use signalhub_events::TraceParent;
use signalhub_protocol::{Arguments, BindError, Protocol};

use super::caller::{Caller, Cancellation};
use crate::clients::client::Client;
use crate::clients::groups::Groups;
use crate::clients::targets::{CalledFrom, Clients};
use crate::flag::Flag;
use crate::request::Request;
use crate::state::HubState;

/// One call of a method or a hook: what [extractors](crate::Extract) are made from.
#[derive(Clone)]
pub struct Call {
    client: Arc<Client>,
    state: Arc<HubState>,
    called_from: CalledFrom,
    occasion: Occasion,
    wants_result: WantsResult,
    /// In a hub with filters, what the client sent.
    arguments: Option<Arc<RawArguments>>,
    /// Raised when the client cancels the stream that the call returns.
    cancelled: Option<Arc<Flag>>,
    /// In a call of a method that [replaces the token](crate::HubBuilder::token_refresh).
    token_refresher: Option<Arc<TokenRefresher>>,
    trace: Option<TraceParent>,
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
        Self {
            client,
            state,
            called_from,
            occasion,
            wants_result: WantsResult::No,
            arguments: None,
            cancelled: None,
            token_refresher: None,
            trace: None,
        }
    }

    pub(crate) fn with_wants_result(self, wants_result: WantsResult) -> Self {
        Self { wants_result, ..self }
    }

    pub(crate) fn with_trace(self, trace: Option<TraceParent>) -> Self {
        Self { trace, ..self }
    }

    pub(crate) fn with_cancelled(self, cancelled: Arc<Flag>) -> Self {
        Self { cancelled: Some(cancelled), ..self }
    }

    pub(crate) fn with_token_refresher(self, refresher: TokenRefresher) -> Self {
        Self { token_refresher: Some(Arc::new(refresher)), ..self }
    }

    pub(crate) fn with_arguments(self, arguments: RawArguments) -> Self {
        Self { arguments: Some(Arc::new(arguments)), ..self }
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

    /// The request that opened the client's connection; `None` if the hub does not keep requests: see [`Request`].
    pub fn request(&self) -> Option<&Request> {
        self.client.request()
    }

    /// The trace that the client named in the header `traceparent` of the call, as clients in .NET 9 and newer do.
    pub fn trace(&self) -> Option<TraceParent> {
        self.trace
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

    /// How many arguments the client sent. 0 in a hub without [filters](crate::HubFilter), which does not keep them, and for
    /// [`Refresh`](crate::HubBuilder::token_refresh), whose argument is a token.
    pub fn argument_count(&self) -> usize {
        self.arguments.as_ref().map_or(0, |arguments| arguments.count)
    }

    /// Deserialises an argument of the client once more, besides the one for the method. `index` begins at 0. Any argument
    /// can be read as a `serde_json::Value`, unless it has a value of MessagePack that JSON does not have.
    ///
    /// Arguments are kept, as the client sent them, only in a hub with [filters](crate::HubFilter), until the call ends.
    ///
    /// # Errors
    /// When there is no such argument, or it is of another type.
    pub fn argument<T: DeserializeOwned>(&self, index: usize) -> Result<T, BindError> {
        let count = self.argument_count();
        let Some(arguments) = self.arguments.as_ref().filter(|_| index < count) else {
            return Err(BindError::Count { provided: count, expected: index + 1 });
        };
        let mut arguments = arguments.protocol.arguments(&arguments.bytes).bind(count)?;
        for _ in 0..index {
            arguments.next::<IgnoredAny>()?;
        }
        arguments.next()
    }

    /// In `on_disconnected`, why the connection ended; `None` after an orderly end.
    pub fn disconnected(&self) -> Option<&str> {
        match &self.occasion {
            Occasion::Disconnected(reason) => reason.as_deref(),
            Occasion::Method(_) | Occasion::Connected => None,
        }
    }

    pub(crate) fn token_refresher(&self) -> Option<&Arc<TokenRefresher>> {
        self.token_refresher.as_ref()
    }

    pub(crate) fn occasion(&self) -> &Occasion {
        &self.occasion
    }

    pub(crate) fn client(&self) -> &Arc<Client> {
        &self.client
    }

    pub(crate) fn wants_result(&self) -> WantsResult {
        self.wants_result
    }
}

/// The arguments of a call, as the client sent them.
pub(crate) struct RawArguments {
    protocol: Protocol,
    bytes: Box<[u8]>,
    count: usize,
}

impl RawArguments {
    /// Arguments that filters must not see.
    pub(crate) fn hidden() -> Self {
        Self { protocol: Protocol::Json, bytes: Box::default(), count: 0 }
    }

    /// Copies arguments that a method of this many arguments has accepted.
    pub(crate) fn new(arguments: &Arguments<'_>, count: usize) -> Self {
        let protocol = match arguments {
            Arguments::Json(_) => Protocol::Json,
            Arguments::MessagePack(_) => Protocol::MessagePack,
        };
        Self { protocol, bytes: arguments.as_bytes().into(), count }
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
