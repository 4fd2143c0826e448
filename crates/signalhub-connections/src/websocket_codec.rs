//! The server's side of the WebSocket protocol (RFC 6455), without any I/O.
//!
//! [`Decoder`] turns the bytes of a client into [`Event`]s, however the bytes are split; the frame functions encode the
//! server's control frames; [`accept_key`] checks whether a request is an upgrade. Payloads are passed on in pieces, so a
//! huge frame needs no memory here.

mod decoder;
mod encoder;
mod handshake;
mod header;
mod message_kind;
mod utf8;
mod violation;

pub(crate) use decoder::{CloseBody, ControlPayload, Decoded, Decoder, Event};
pub(crate) use encoder::{close_frame, cut_close_reason, encode_header, ping_frame, pong_frame};
pub(crate) use handshake::accept_key;
pub(crate) use header::End;
pub use message_kind::MessageKind;
pub(crate) use tungstenite::protocol::frame::coding::{Data, OpCode};
pub(crate) use violation::Violation;

#[cfg(test)]
mod tests;
