//! The MessagePack hub protocol (HubProtocol, MessagePack Encoding).

mod bind;
mod encode;
mod envelope;
mod format;
mod length;
mod names;
mod portable;
mod scan;
mod time;
mod write;

pub(crate) use bind::{Elements, bind, forward};
pub(crate) use encode::encode;
pub(crate) use envelope::decode;
pub(crate) use portable::check_portable;
pub(crate) use scan::{Scanner, Token};
pub(crate) use write::{write_arguments, write_value};
