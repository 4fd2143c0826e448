//! HTTP and WebSocket connections that carry opaque messages.
//!
//! A [`Server`] listens and has [`Endpoint`]s. An endpoint authenticates requests, negotiates, and attaches a transport: a
//! WebSocket, an event stream or polls. What comes out is a [`Connection`], which it hands to its [`ConnectionHandler`].
//! This crate never looks inside a message: framing and meaning are the handler's business.
//!
//! [`Origins`] says which web pages may use it, [`Limits`] how much it takes on, and [`TrustedProxies`] whose word about
//! the origin of a request counts. When the server stops, [`Server::drain_time`] spreads the ends of the connections. With
//! the feature `tower`, an endpoint is also a service for somebody else's HTTP server: `Endpoint::into_service`.
//!
//! ```
//! use std::sync::Arc;
//! use signalhub_connections::*;
//!
//! struct Echo;
//!
//! impl ConnectionHandler for Echo {
//!     fn handle(self: Arc<Self>, mut connection: Connection) -> BoxFuture<()> {
//!         Box::pin(async move {
//!             let outbound = connection.outbound();
//!             let reason = loop {
//!                 match connection.receive(Intake::Open).await {
//!                     Received::Bytes => {
//!                         let _ = outbound.send(&Frame::new(MessageKind::Text, connection.input()));
//!                         connection.consume(connection.input().len());
//!                     }
//!                     Received::Ended(reason) => break reason,
//!                     Received::Drain => break CloseReason::ServerShutdown,
//!                     _ => {}
//!                 }
//!             };
//!             connection.close(reason).await;
//!         })
//!     }
//! }
//!
//! # #[tokio::main] async fn main() -> std::io::Result<()> {
//! let server = Server::bind("127.0.0.1:0").await?.endpoint("/echo", Endpoint::new(Echo));
//! println!("listening on {}", server.local_addr()?);
//! server.run_until(async { /* until a signal comes */ }).await
//! # }
//! ```

mod answers;
mod authenticate;
mod bearer;
mod body;
mod claims;
mod client_errors;
mod close;
mod coding;
mod connection;
mod descriptors;
mod dispatch;
mod endpoint;
mod events;
mod forwarded;
mod frame;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
mod guesses;
mod handler;
mod handover;
mod hosts;
mod id;
mod identity;
mod io;
mod limits;
mod mailbox;
mod negotiate;
mod origins;
mod outbound;
mod pace;
mod pair;
mod path;
mod polls;
mod query;
mod registry;
mod request_body;
mod request_id;
mod server;
mod signals;
mod socket;
mod sockets;
#[cfg(feature = "tower")]
mod tower;
mod transport_kind;
mod websocket;

pub use authenticate::{Authenticate, Authentication};
pub use bearer::{BearerToken, TokenError, authorization_token, bearer_token};
pub use body::Body;
pub use close::CloseReason;
pub use coding::content_coding;
pub use connection::{Connection, Intake, Received, Reconnect};
pub use descriptors::raise_file_descriptor_limit;
pub use endpoint::{Endpoint, ExpiredCredentials};
pub use forwarded::{ProxyError, RemoteAddress, TrustedProxies};
pub use frame::{Frame, Frames, MessageKind};
/// The head of an HTTP request, as [`Authenticate`] reads it.
pub use http::request::Parts as RequestHead;

pub use claims::Claims;
pub use client_errors::ClientError;
pub use guesses::GuessLimit;
pub use handler::{BoxFuture, ConnectionHandler};
pub use hosts::{HostError, Hosts};
pub use id::ConnectionId;
pub use identity::{Identity, Policy};
pub use limits::{Limits, Refusals};
pub use negotiate::NegotiateVersion;
pub use origins::{OriginError, Origins};
pub use outbound::{Outbound, Readers, SendError};
pub use pair::Peer;
pub use request_body::{BodyError, RequestBody};
pub use request_id::RequestId;
pub use server::{ConnectionCounts, Respond, Server};
#[cfg(feature = "tower")]
pub use tower::TowerEndpoint;
pub use transport_kind::{TransportKind, Transports};
