//! The transports: how the bytes of a connection travel.

pub(crate) mod handover;
pub(crate) mod inbox;
pub(crate) mod io;
pub(crate) mod kind;
pub(crate) mod long_polling;
pub(crate) mod server_sent_events;
pub(crate) mod websocket;
