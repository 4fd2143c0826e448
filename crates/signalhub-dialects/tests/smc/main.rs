//! The SMC dialect over real sockets.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod bad_inputs;
mod rest;
mod sessions;
mod sockets;
mod support;
