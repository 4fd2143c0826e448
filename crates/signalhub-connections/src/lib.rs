//! HTTP and WebSocket connections that carry opaque messages.
//!
//! A [`Server`] listens and has [`Endpoint`]s. An endpoint authenticates requests, negotiates, and attaches a transport: a
//! WebSocket, an event stream or polls. The result is a [`Connection`], which it passes to its [`ConnectionHandler`].
//! This crate never looks inside a message: framing and meaning are up to the handler.
//!
//! [`Origins`] lists the web pages that may use a server, [`Limits`] sets how many connections and requests it accepts, and
//! [`TrustedProxies`] lists the proxies whose forwarded headers are used. When the server stops, [`Server::drain_time`]
//! closes the connections gradually. With the feature `tls`, a server speaks TLS: `Server::tls`. With the feature
//! `tower`, an endpoint is also a service for another HTTP server: `TowerEndpoint`.
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

#![cfg_attr(docsrs, feature(doc_cfg))]

mod auth;
mod close;
mod cluster;
mod connection;
mod counts;
mod frame;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
mod handler;
mod http;
mod id;
mod intake;
mod limits;
mod log_throttle;
mod outbound;
mod rate;
mod registry;
mod request;
mod shared_socket;
mod transport;
mod transport_kind;
mod websocket_codec;

/// Types of the crate `http` that appear in the API of this crate.
pub use ::http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request as HttpRequest, Response as HttpResponse, StatusCode,
};

/// An algorithm that tokens are signed with.
pub use ::jsonwebtoken::Algorithm as TokenAlgorithm;

/// The head of an HTTP request, as [`Authenticate`] reads it.
pub use ::http::request::Parts as RequestHead;

pub use auth::authenticate::{Authenticate, Authentication};
pub use auth::bearer::{BearerToken, authorization_token, bearer_token};
pub use auth::claim_path::{ClaimPath, ClaimPathError};
pub use auth::claims::{ClaimError, Claims};
pub use auth::guess_limit::GuessLimit;
pub use auth::identity::{Identity, Policy};
pub use auth::issuer::Issuer;
pub use auth::issuers::Issuers;
pub use auth::key_set::{KeySet, KeySetError, SkippedKey};
pub use auth::key_source::KeySource;
pub use auth::revocation::{Revocation, RevokeError};
pub use auth::token::TokenError;
pub use auth::token_refresh::RefreshError;
pub use close::CloseReason;
pub use close::close_frame::{ClientClose, CloseCode, CloseFrame};
pub use close::dismissal::Dismissal;
pub use cluster::counts::{ClusterCounts, ForwardKind, ForwardRefusal, TokenRefusal};
pub use cluster::node::{Node, NodeAddress, NodeAddressError, NodeName, NodeNameError, is_private};
pub use cluster::owners::{Claim, Owners, OwnersFuture, OwnersUnavailable, RenewedClaims};
pub use cluster::secrets::{ClusterSecrets, ClusterSecretsError};
pub use connection::Connection;
pub use connection::peer::Peer;
pub use connection::token_refresher::TokenRefresher;
pub use counts::client_errors::ClientError;
pub use counts::lives::ConnectionStatus;
pub use counts::negotiations::NegotiationOutcome;
pub use counts::refusals::{ApplicationLimit, LimitRefusals};
pub use counts::traffic::{ConnectionTraffic, DeliveryOutcome};
pub use frame::{Frame, Frames};
pub use handler::{BoxFuture, ConnectionHandler};
pub use http::access_rules::ExpiredCredentials;
pub use http::body::Body;
pub use http::endpoint::Endpoint;
pub use http::negotiate::NegotiateVersion;
pub use http::node_requests::{NodeAnswer, NodeRequestError, NodeRequests};
pub use http::origins::{OriginError, Origins};
pub use http::page::{Page, Respond};
pub use http::request_body::{BodyError, RequestBody};
pub use http::server::Server;
pub use http::server::cluster::Cluster;
#[cfg(feature = "tls")]
pub use http::server::tls::certificate::{TlsCertificate, TlsCertificateError};
#[cfg(feature = "tls")]
pub use http::server::tls::client_auth::{ClientAuth, ClientAuthorities, ClientAuthoritiesError};
#[cfg(feature = "tls")]
pub use http::server::tls::client_certificate::ClientCertificate;
#[cfg(feature = "tls")]
pub use http::server::tls::{Tls, TlsHandshakes, TlsVersion};
pub use http::tickets::{TicketUrlError, Tickets};
#[cfg(feature = "tower")]
pub use http::tower::TowerEndpoint;
pub use id::ConnectionId;
pub use intake::Intake;
pub use limits::Limits;
pub use limits::file_descriptors::raise_file_descriptor_limit;
pub use log_throttle::LogThrottle;
pub use outbound::{BacklogUsage, ConnectionEnded, Flushed, Outbound, Readers, Sent};
pub use rate::{Rate, TokenBucket};
pub use registry::connection_counts::ConnectionCounts;
pub use registry::live_connections::{ConnectionSelection, LiveConnection, LiveConnections, Resumption};
pub use registry::revocations::Revocations;
pub use request::base_url::base_url;
pub use request::content_coding::content_coding;
pub use request::forwarded::{ProxyError, TrustedProxies};
pub use request::hosts::{HostError, Hosts};
pub use request::opening_request::OpeningRequest;
pub use request::query::query_pairs;
pub use request::remote_address::RemoteAddress;
pub use request::request_id::RequestId;
pub use signalhub_counters::Observed;
pub use transport::received::{ReadMessagesError, Received};
pub use transport::reconnect::Reconnect;
pub use transport_kind::{TransportKind, Transports};
pub use websocket_codec::MessageKind;
