//! The protocols that a hub can speak, and what can go wrong in reading and writing them.

use serde::Serialize;

use crate::arguments::{Arguments, Value};
use crate::message::HubMessage;
use crate::{json, msgpack};

/// Nested arrays and objects that are accepted, the outermost one included.
pub(crate) const MAX_DEPTH: u32 = 64;

/// What a protocol's bytes are to a transport.
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
    /// All of them; each stands at the index that it is as a number.
    pub const ALL: [Self; 2] = [Self::Json, Self::MessagePack];

    /// Gives the name that a handshake asks for it by.
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

    /// Says what a transport must be able to carry.
    pub fn transfer_format(self) -> TransferFormat {
        match self {
            Self::Json => TransferFormat::Text,
            Self::MessagePack => TransferFormat::Binary,
        }
    }

    /// Reads the first message and says how many bytes it took, its framing included; `None` while it is incomplete.
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

    /// Appends the message with its framing. Values of another protocol are translated; what cannot be said in this one is
    /// null.
    pub fn encode(self, message: &HubMessage<'_>, out: &mut Vec<u8>) {
        match self {
            Self::Json => json::encode(message, out),
            Self::MessagePack => msgpack::encode(message, out),
        }
    }

    /// Appends a tuple or sequence of arguments; `()` stands for none. `out` is left as it was on failure.
    pub fn encode_arguments<T: Serialize + ?Sized>(self, arguments: &T, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        match self {
            Self::Json => json::write_arguments(arguments, out),
            Self::MessagePack => msgpack::write_arguments(arguments, out),
        }
    }

    /// Appends one value: a result or an item of a stream. `out` is left as it was on failure.
    pub fn encode_value<T: Serialize + ?Sized>(self, value: &T, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        match self {
            Self::Json => json::write_value(value, out),
            Self::MessagePack => msgpack::write_value(value, out),
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
}

/// The bytes are no message of the protocol, which ends the connection.
///
/// Its text is the original's, word for word, because it reaches clients of hubs with detailed errors.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The record is no JSON, or is nested deeper than 64.
    #[error("Error reading JSON.")]
    Syntax,
    /// The record is some other value than an object.
    #[error("Unexpected JSON Token Type '{0}'. Expected a JSON Object.")]
    NotAnObject(&'static str),
    /// A property is missing that this type of message needs.
    #[error("Missing required property '{0}'.")]
    Missing(&'static str),
    /// A property is of the wrong type.
    #[error("Expected '{property}' to be of type {kind}.")]
    WrongType {
        /// The name of the property.
        property: &'static str,
        /// The original's name of the type it should have.
        kind: &'static str,
    },
    /// A header is no string.
    #[error("Expected header '{0}' to be of type String.")]
    Header(String),
    /// There are more headers than [`Headers::MOST`](crate::Headers::MOST).
    #[error("A message may have at most {} headers.", crate::Headers::MOST)]
    TooManyHeaders,
    /// `allowReconnect` is neither `true` nor `false`.
    #[error("Expected 'allowReconnect' to be true or false.")]
    AllowReconnect,
    /// One of the ids of streams is null.
    #[error("Null value for 'streamIds' is not valid.")]
    NullStreamId,
    /// One of the ids of streams is no string; the token that began it is named.
    #[error("Cannot get the value of a token type '{0}' as a string.")]
    StreamId(&'static str),
    /// A completion has both an error and a result.
    #[error("The 'error' and 'result' properties are mutually exclusive.")]
    ErrorAndResult,
    /// A number is no integer of the named type.
    #[error("Either the JSON value is not in a supported format, or is out of bounds for an {0}.")]
    OutOfBounds(&'static str),
    /// A string of the envelope is no UTF-8.
    #[error("Cannot transcode invalid UTF-8 JSON text to UTF-16 string.")]
    Utf8,
    /// A string of the envelope has the first half of a surrogate pair alone.
    #[error("Cannot read incomplete UTF-16 JSON text as string with missing low surrogate.")]
    HalfPair,
    /// A string of the envelope has this escape where none or the other half of a surrogate pair should be.
    #[error("Cannot read invalid UTF-16 JSON text as string. Invalid surrogate value: '0x{0:X}'.")]
    Surrogate(u16),
    /// An item of a stream has an empty id, which is no open stream's. Its receiver finds that out.
    #[error("No stream with id '' could be found.")]
    EmptyStreamId,
    /// The length in front of a MessagePack message is beyond 2 GiB, or does not end.
    #[error("Messages over 2GB in size are not supported.")]
    Length,
    /// A MessagePack message ends too early, or counts more than it has room for.
    #[error("Attempted to read past the end of the stream.")]
    End,
    /// A MessagePack message begins with this byte, or has it where the id of a stream should be.
    #[error("Unexpected msgpack code {code} ({name}) encountered.")]
    Code {
        /// The byte.
        code: u8,
        /// The name of the format that it announces.
        name: &'static str,
    },
    /// An item of a MessagePack message is missing or of the wrong type.
    #[error("Reading '{item}' as {kind} failed.")]
    Item {
        /// The name of the item.
        item: &'static str,
        /// The original's name of the type it should have.
        kind: &'static str,
    },
    /// A header of a MessagePack message is no string.
    #[error("Reading 'headers[{index}].{part}' as String failed.")]
    HeaderItem {
        /// Which header, from 0.
        index: usize,
        /// The part of it.
        part: &'static str,
    },
    /// An item of a MessagePack message should be an array or a map, and is not or counts more than it has room for.
    #[error("Reading {container} length for '{item}' failed.")]
    Count {
        /// What it should be.
        container: &'static str,
        /// The name of the item.
        item: &'static str,
    },
    /// A text of a MessagePack message must not be nil or empty.
    #[error("Null or empty {0}.")]
    Empty(&'static str),
    /// A completion of MessagePack is neither an error nor a result nor void.
    #[error("Invalid invocation result kind.")]
    ResultKind,
}

impl DecodeError {
    /// Names the original's exception, which stands before the text in detailed errors.
    pub fn exception(&self) -> &'static str {
        match self {
            Self::StreamId(_) | Self::Utf8 | Self::HalfPair | Self::Surrogate(_) => "InvalidOperationException",
            Self::OutOfBounds(_) | Self::Length => "FormatException",
            Self::End => "EndOfStreamException",
            Self::Code { .. } => "MessagePackSerializationException",
            Self::EmptyStreamId => "KeyNotFoundException",
            _ => "InvalidDataException",
        }
    }
}

/// A value cannot be sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// A number is not finite, which JSON cannot express.
    #[error("infinities and NaN cannot be written")]
    NotFinite,
    /// An integer has more than 64 bits, which MessagePack cannot express.
    #[error("integers of more than 64 bits cannot be written")]
    TooWide,
    /// A key of a map is neither a string nor a number, which JSON cannot express.
    #[error("a key of a map must be a string, a number or a unit variant")]
    Key,
    /// A key of a map is `__proto__`, which readers of MessagePack in JavaScript refuse.
    #[error("a key of a map must not be __proto__")]
    Prototype,
    /// The value is nested deeper than receivers accept.
    #[error("a value must not be nested deeper than 64")]
    Depth,
    /// The arguments are neither a tuple nor a sequence.
    #[error("arguments must be a tuple, a sequence or ()")]
    NotATuple,
    /// The value's own serialisation failed.
    #[error("{0}")]
    Serialize(String),
}

impl serde::ser::Error for EncodeError {
    fn custom<T: std::fmt::Display>(text: T) -> Self {
        Self::Serialize(text.to_string())
    }
}
