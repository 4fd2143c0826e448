//! SignalR hubs for the official clients.
//!
#![doc = include_str!("../docs/guide.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod backplane;
mod calls;
mod clients;
mod connected_client;
mod counters;
mod definition;
mod error;
mod flag;
mod handshake_counts;
mod hub;
mod incoming;
mod method_counts;
mod options;
mod panics;
mod request;
mod session;
mod state;
mod subscription_manager;
mod token_refresh;
mod type_name;

#[doc(inline)]
pub use portos_notifications as portos;
#[doc(inline)]
pub use signalhub_connections as connections;
pub use signalhub_events as events;
#[doc(inline)]
pub use signalhub_protocol as protocol;

pub use signalhub_connections::{
    BearerToken, CloseReason, Connection, ConnectionId, Endpoint, Identity, Policy, Rate, Server, TokenBucket,
    TransportKind, Transports,
};

pub use calls::call::Call;
pub use calls::caller::{Caller, Cancellation};
pub use calls::extract::{Disconnected, Extract, State};
pub use calls::handler::{Handler, Required, StreamHandler, require};
pub use calls::hub_filter::{HubFilter, Next, Reply};
pub use calls::parameter::{Args, Parameter};
pub use calls::upload::Upload;
pub use clients::errors::{GroupError, InvokeError, SendError};
pub use clients::groups::Groups;
pub use clients::remote::BackplaneCounts;
pub use clients::targets::{Clients, SingleTarget, Target};
pub use connected_client::ConnectedClient;
pub use counters::{CallError, RefusedCalls, Replays};
pub use error::{ErrorDetails, HubError};
pub use handshake_counts::HandshakeOutcome;
pub use hub::{Hub, HubBuilder};
pub use method_counts::MethodCalls;
pub use options::{HubOptions, ShutdownMessage, TraceHeader};
pub use request::Request;
pub use subscription_manager::is_grants_claim;
