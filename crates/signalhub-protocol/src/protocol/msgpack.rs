//! Messages in MessagePack (HubProtocol, MessagePack Encoding).

mod encode;
mod envelope;
mod length;

pub(super) use encode::encode;
pub(super) use envelope::decode;
