//! SignalR hubs for the official clients.
//!
//! A [`Hub`] is a set of methods that clients call and a way to call the clients. It is served by an [`Endpoint`] of a
//! [`Server`]. Methods are async functions whose parameters say what they need.
//!
//! ```
//! use signalhub::{Args, Caller, Clients, Endpoint, Hub, HubError, Server};
//!
//! /// Adds two numbers.
//! async fn add(Args((a, b)): Args<(i32, i32)>) -> Result<i32, HubError> {
//!     a.checked_add(b).ok_or_else(|| HubError::new("the sum is too large"))
//! }
//!
//! /// Says something to everyone.
//! async fn say(caller: Caller, clients: Clients, Args((text,)): Args<(String,)>) -> Result<(), HubError> {
//!     clients.all().send("Said", (caller.id(), text)).await?;
//!     Ok(())
//! }
//!
//! # #[tokio::main] async fn main() -> std::io::Result<()> {
//! let hub = Hub::builder().method("Add", add).method("Say", say).build();
//! let server = Server::bind("127.0.0.1:0").await?.endpoint("/chat", Endpoint::new(hub));
//! server.run_until(async {}).await
//! # }
//! ```
//!
//! A hub knows nothing of HTTP; that is the business of [`connections`]. It knows messages by way of [`protocol`], and
//! with [`HubBuilder::events`] it lets clients subscribe to what a [`Broker`](events::Broker) publishes.

mod client;
mod client_results;
mod clients;
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
mod session;
mod slots;
mod subscriptions;
mod upload;

pub use signalhub_connections as connections;
pub use signalhub_events as events;
pub use signalhub_protocol as protocol;

pub use signalhub_connections::{
    BearerToken, CloseReason, Connection, ConnectionId, Endpoint, Frame, Identity, Policy, Server, TransportKind,
    Transports,
};

pub use client_results::InvokeError;
pub use clients::{Clients, SendError, SingleTarget, Target};
pub use error::{ErrorDetails, HubError};
pub use extract::{Args, Bindings, Call, Caller, Cancellation, Disconnected, Extract, State};
pub use groups::Groups;
pub use handler::{BoundCall, CallResult, Handler, ItemStream, Required, Signature, StreamHandler, require};
pub use hub::{Hub, HubBuilder};
pub use options::HubOptions;
pub use upload::Upload;
