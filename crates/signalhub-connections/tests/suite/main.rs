//! The server of connections over real sockets.
//!
//! One program for all, since linking each file on its own took longer than running it. A new file is listed here.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "../support/mod.rs"]
mod support;

mod answers;
mod axum;
mod browsers;
mod client_certificates;
mod cluster;
mod event_streams;
mod heads;
mod hostile;
mod late_credentials;
mod messages;
mod opening_requests;
mod owners;
mod panics;
mod resuming;
mod revocations;
mod server;
mod sockets;
mod stopping;
mod tickets;
mod tls;
mod tower;
mod unread_and_unsent;
