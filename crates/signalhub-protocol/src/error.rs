//! The errors of decoding messages, binding values and encoding them.

use crate::limits::MAX_HEADERS;

/// The bytes are not a message of the protocol. A hub then ends the connection.
///
/// Its text is the original's, word for word, because it reaches clients of hubs with detailed errors.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The record is not JSON, or is nested deeper than 64.
    #[error("Error reading JSON.")]
    Syntax,
    /// The record is not an object.
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
    /// A header is not a string.
    #[error("Expected header '{0}' to be of type String.")]
    Header(String),
    /// There are more headers than [`Headers::MAX`](crate::Headers::MAX).
    #[error("A message may have at most {} headers.", MAX_HEADERS)]
    TooManyHeaders,
    /// `allowReconnect` is neither `true` nor `false`.
    #[error("Expected 'allowReconnect' to be true or false.")]
    AllowReconnect,
    /// One of the ids of streams is null.
    #[error("Null value for 'streamIds' is not valid.")]
    NullStreamId,
    /// One of the ids of streams is not a string; the token that began it is named.
    #[error("Cannot get the value of a token type '{0}' as a string.")]
    StreamId(&'static str),
    /// A completion has both an error and a result.
    #[error("The 'error' and 'result' properties are mutually exclusive.")]
    ErrorAndResult,
    /// A number is not an integer of the named type.
    #[error("Either the JSON value is not in a supported format, or is out of bounds for an {0}.")]
    OutOfBounds(&'static str),
    /// A string of the envelope is not UTF-8.
    #[error("Cannot transcode invalid UTF-8 JSON text to UTF-16 string.")]
    Utf8,
    /// A string of the envelope has the first half of a surrogate pair alone.
    #[error("Cannot read incomplete UTF-16 JSON text as string with missing low surrogate.")]
    HalfPair,
    /// A string of the envelope has this escape where none or the other half of a surrogate pair should be.
    #[error("Cannot read invalid UTF-16 JSON text as string. Invalid surrogate value: '0x{0:X}'.")]
    Surrogate(u16),
    /// A stream item has an empty id, which no open stream has. The receiver of the item returns this error.
    #[error("No stream with id '' could be found.")]
    EmptyStreamId,
    /// The length prefix of a MessagePack message is above 2 GiB, or has no last byte.
    #[error("Messages over 2GB in size are not supported.")]
    Length,
    /// A MessagePack message ends too early, or a length in it exceeds the remaining bytes.
    #[error("Attempted to read past the end of the stream.")]
    End,
    /// A MessagePack message has this byte at its start, or in place of the id of a stream.
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
    /// A header of a MessagePack message is not a string.
    #[error("Reading 'headers[{index}].{part}' as String failed.")]
    HeaderItem {
        /// Which header, from 0.
        index: usize,
        /// The part of it.
        part: &'static str,
    },
    /// An item of a MessagePack message is not the expected array or map, or its length exceeds the remaining bytes.
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
    /// A MessagePack completion has an unknown result kind.
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
    /// A key of a map is neither a string nor a number. Clients in JavaScript cannot read such a key from MessagePack; JSON has no
    /// form for it, except that booleans are written as text.
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

/// Values do not fit the types that are expected.
///
/// Its text is the original's, word for word, because it reaches clients of hubs with detailed errors.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// There are too few or too many arguments.
    #[error("Invocation provides {provided} argument(s) but target expects {expected}.")]
    Count {
        /// How many were sent.
        provided: usize,
        /// How many the method takes.
        expected: usize,
    },
    /// The arguments are not an array. Only MessagePack reports this at binding; in JSON it is a [`DecodeError`].
    #[error("Reading array length for 'arguments' failed.")]
    NotAnArray,
    /// A value cannot become what is expected.
    #[error(
        "Error binding arguments. Make sure that the types of the provided values match the types of the hub method being invoked."
    )]
    Conversion {
        /// What is wrong and where: `argument 1: id: invalid type: string "x", expected i32`. It quotes what was sent, and is
        /// not part of the error text.
        reason: String,
    },
}

impl BindError {
    /// Adds the part of the value in which it happened.
    pub(crate) fn within(self, part: impl std::fmt::Display) -> Self {
        match self {
            Self::Conversion { reason } => Self::Conversion { reason: format!("{part}: {reason}") },
            other => other,
        }
    }

    /// Names the original's exception, which stands before the text in detailed errors.
    pub fn exception(&self) -> &'static str {
        "InvalidDataException"
    }
}

impl serde::de::Error for BindError {
    fn custom<T: std::fmt::Display>(text: T) -> Self {
        Self::Conversion { reason: text.to_string() }
    }
}
