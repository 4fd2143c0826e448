//! HTTP and WebSocket connections that carry opaque messages.
//!
//! A [`Server`] listens and has [`Endpoint`]s. An endpoint authenticates requests, negotiates and upgrades; what comes
//! out is a [`Connection`], which it hands to its [`ConnectionHandler`]. This crate never looks inside a message: framing
//! and meaning are the handler's business.
//!
//! ```no_run
//! use std::sync::Arc;
//! use signalhub_connections::*;
//!
//! struct Echo;
//!
//! impl ConnectionHandler for Echo {
//!     fn handle(self: Arc<Self>, mut connection: Connection) -> BoxFuture<()> {
//!         Box::pin(async move {
//!             let outbound = connection.outbound();
//!             while !matches!(connection.receive(Intake::Open).await, Received::Ended(_)) {
//!                 let _ = outbound.send(&Frame::new(MessageKind::Text, connection.input()));
//!                 connection.consume(connection.input().len());
//!             }
//!             connection.close(CloseReason::Finished).await;
//!         })
//!     }
//! }
//!
//! # #[tokio::main] async fn main() -> std::io::Result<()> {
//! let server = Server::bind("127.0.0.1:0").await?.endpoint("/echo", Endpoint::new(Echo));
//! println!("listening on {}", server.local_addr()?);
//! server.run_until(std::future::pending()).await
//! # }
//! ```

mod authenticate;
mod bearer;
mod close;
mod connection;
mod dispatch;
mod endpoint;
mod frame;
mod handler;
mod id;
mod identity;
mod negotiate;
mod outbound;
mod pair;
mod query;
mod registry;
mod server;
mod signals;
mod socket;
mod transport_kind;
mod websocket;

pub use authenticate::{Authenticate, Authentication};
pub use bearer::{BearerToken, TokenError, bearer_token};
pub use close::CloseReason;
pub use connection::{Connection, Intake, Received};
pub use dispatch::Body;
pub use endpoint::{Endpoint, ExpiredCredentials};
pub use frame::{Frame, MessageKind};
/// The head of an HTTP request, as [`Authenticate`] reads it.
pub use http::request::Parts as RequestHead;

pub use handler::{BoxFuture, ConnectionHandler};
pub use id::ConnectionId;
pub use identity::{Identity, Policy};
pub use negotiate::NegotiateVersion;
pub use outbound::{Outbound, SendError};
pub use pair::Peer;
pub use server::{ConnectionCounts, Respond, Server};
pub use transport_kind::{TransportKind, Transports};
