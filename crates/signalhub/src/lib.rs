//! SignalR hubs for the official clients.
//!
#![doc = include_str!("../docs/guide.md")]

mod call_errors;
mod client;
mod client_results;
mod clients;
mod core;
mod error;
mod extract;
mod flag;
mod groups;
mod handler;
mod hub;
mod items;
mod lifetime;
mod method;
mod options;
mod rate;
mod session;
mod slots;
mod subscriptions;
mod type_name;
mod upload;

#[doc(inline)]
pub use signalhub_connections as connections;
#[doc(inline)]
pub use signalhub_events as events;
#[doc(inline)]
pub use signalhub_protocol as protocol;

pub use signalhub_connections::{
    BearerToken, CloseReason, Connection, ConnectionId, Endpoint, Frame, Identity, Policy, Server, TransportKind,
    Transports,
};

pub use call_errors::CallError;
pub use client_results::InvokeError;
pub use clients::{Clients, SendError, SingleTarget, Target};
pub use core::Refusals;
pub use error::{ErrorDetails, HubError};
pub use extract::{Args, Bindings, Call, Caller, Cancellation, Disconnected, Extract, State};
pub use groups::Groups;
pub use handler::{BoundCall, CallResult, Handler, ItemStream, Required, Signature, StreamHandler, require};
pub use hub::{Hub, HubBuilder};
pub use options::{HubOptions, ShutdownMessage};
pub use rate::Rate;
pub use subscriptions::is_grants_claim;
pub use upload::Upload;
