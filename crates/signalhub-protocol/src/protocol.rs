//! The protocols that a hub can speak.
//!
//! The modules inside encode messages, `crate::json` and `crate::msgpack` the values in them.

pub(crate) mod json;
mod msgpack;

use serde::Serialize;

use crate::encoded;
use crate::error::{DecodeError, EncodeError};
use crate::message::HubMessage;
use crate::value::{Arguments, Value};

/// Whether a protocol's messages are text or binary, as negotiation and transports name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TransferFormat {
    /// UTF-8 text; every transport carries it.
    Text,
    /// Any bytes; server-sent events cannot carry them.
    Binary,
}

/// A hub protocol: how messages become bytes and bytes become messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// JSON records, each ended by a record separator (HubProtocol, JSON Encoding).
    Json,
    /// MessagePack arrays, each behind its length (HubProtocol, MessagePack Encoding).
    MessagePack,
}

impl Protocol {
    /// All protocols. The index of each is its discriminant, so that `protocol as usize` is an index into tables by protocol.
    pub const ALL: [Self; 2] = [Self::Json, Self::MessagePack];

    /// Returns its name in the handshake.
    pub fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::MessagePack => "messagepack",
        }
    }

    /// Finds a protocol by its name, whatever the case of its letters.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|protocol| name.eq_ignore_ascii_case(protocol.name()))
    }

    /// Returns the highest version of the protocol that this crate speaks. A handshake that asks for a higher one is refused.
    ///
    /// From version 2 on, clients can resume their connection (HubProtocol, Ack and Sequence); all else is the same in every version.
    pub fn highest_version(self) -> i32 {
        match self {
            Self::Json | Self::MessagePack => 2,
        }
    }

    /// Returns the format that a transport must be able to carry.
    pub fn transfer_format(self) -> TransferFormat {
        match self {
            Self::Json => TransferFormat::Text,
            Self::MessagePack => TransferFormat::Binary,
        }
    }

    /// Reads the first message; returns it with the number of bytes it took, framing included, or `None` while it is incomplete.
    pub fn decode(self, input: &[u8]) -> Result<Option<(HubMessage<'_>, usize)>, DecodeError> {
        self.decode_grown(input, 0)
    }

    /// Reads the first message of an input that has grown: its first `searched` bytes were an incomplete message before, and
    /// are not searched for its end again. A message that comes in many pieces costs no more than one that comes in one.
    pub fn decode_grown(self, input: &[u8], searched: usize) -> Result<Option<(HubMessage<'_>, usize)>, DecodeError> {
        match self {
            Self::Json => json::decode(input, searched),
            Self::MessagePack => msgpack::decode(input),
        }
    }

    /// Appends the message with its framing. Values of another protocol are translated; a value that this one cannot represent
    /// becomes null.
    pub fn encode(self, message: &HubMessage<'_>, out: &mut Vec<u8>) {
        match self {
            Self::Json => json::encode(message, out),
            Self::MessagePack => msgpack::encode(message, out),
        }
    }

    /// Appends a tuple or sequence of arguments; `()` stands for none. `out` is left as it was on failure.
    pub fn encode_arguments<T: Serialize + ?Sized>(self, arguments: &T, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        match self {
            Self::Json => crate::json::write_arguments(arguments, out),
            Self::MessagePack => crate::msgpack::write_arguments(arguments, out),
        }
    }

    /// Appends one value: a result or an item of a stream. `out` is left as it was on failure.
    pub fn encode_value<T: Serialize + ?Sized>(self, value: &T, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        match self {
            Self::Json => crate::json::write_value(value, out),
            Self::MessagePack => crate::msgpack::write_value(value, out),
        }
    }

    /// Takes what [`Self::encode_arguments`] wrote as the arguments of a message.
    pub fn arguments(self, encoded: &[u8]) -> Arguments<'_> {
        match self {
            Self::Json => Arguments::Json(encoded),
            Self::MessagePack => Arguments::MessagePack(encoded),
        }
    }

    /// Takes what [`Self::encode_value`] wrote as the value of a message.
    pub fn value(self, encoded: &[u8]) -> Value<'_> {
        match self {
            Self::Json => Value::Json(encoded),
            Self::MessagePack => Value::MessagePack(encoded),
        }
    }

    /// Returns the name that readers and writers of this crate recognise an encoded value of this protocol by.
    pub(crate) fn encoding_name(self) -> &'static str {
        match self {
            Self::Json => encoded::JSON,
            Self::MessagePack => encoded::MESSAGE_PACK,
        }
    }
}

// The array `ALL` does not depend on the variants, so a new protocol could be missing there, or stand in the wrong place. The match does
// not compile until the new protocol is in it, and the assertions fail until `ALL` has it at its discriminant.
const _: () = {
    match Protocol::Json {
        Protocol::Json | Protocol::MessagePack => assert!(Protocol::ALL.len() == 2, "all protocols are in ALL"),
    }
    let mut index = 0;
    while index < Protocol::ALL.len() {
        assert!(Protocol::ALL[index] as usize == index, "the protocols in ALL are in the order of their discriminants");
        index += 1;
    }
};
