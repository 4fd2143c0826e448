//! The PrintFactory dialect over sockets.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod bad_inputs;
mod handshake;
mod key_changes;
mod messages;
mod producers;
mod support;
