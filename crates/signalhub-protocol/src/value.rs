//! Values inside messages, which stay encoded until a type is known.

use serde::de::DeserializeOwned;
use serde::ser::{Serialize, Serializer};

use crate::error::BindError;
use crate::limits::MAX_DEPTH;
use crate::portable::NotPortable;
use crate::{encoded, json, msgpack};

/// The arguments of an invocation, as they were sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arguments<'a> {
    /// A JSON array, as [`crate::Protocol::decode`] checked or [`crate::Protocol::encode_arguments`] wrote it.
    ///
    /// Binding other text fails; encoding other text writes a message that no receiver can read.
    Json(&'a [u8]),
    /// A MessagePack array; in a received message it may be malformed, which binding reports.
    MessagePack(&'a [u8]),
}

impl<'a> Arguments<'a> {
    /// Begins to take them one by one, for a method that expects this number of them.
    ///
    /// JSON counts them on the way: an early argument that cannot be converted is reported before a wrong number of them.
    /// MessagePack counts them first.
    pub fn bind(&self, expected: usize) -> Result<Binder<'a>, BindError> {
        Ok(Binder(match *self {
            Self::Json(array) => ByProtocol::Json { elements: json::RawElements::new(array), expected },
            Self::MessagePack(array) => ByProtocol::MessagePack(msgpack::ArgumentReader::new(array, expected)?),
        }))
    }

    /// Gives the bytes of the array, in its own protocol.
    pub fn as_bytes(&self) -> &'a [u8] {
        match *self {
            Self::Json(array) | Self::MessagePack(array) => array,
        }
    }
}

/// Takes the arguments of an invocation one by one.
#[derive(Debug)]
pub struct Binder<'a>(ByProtocol<'a>);

#[derive(Debug)]
enum ByProtocol<'a> {
    Json {
        elements: json::RawElements<'a>,
        expected: usize,
    },
    /// Their number was checked already.
    MessagePack(msgpack::ArgumentReader<'a>),
}

impl Binder<'_> {
    /// Converts the next argument.
    // An iterator gives one type of item; here every call has its own.
    #[allow(clippy::should_implement_trait)]
    pub fn next<T: DeserializeOwned>(&mut self) -> Result<T, BindError> {
        match &mut self.0 {
            ByProtocol::Json { elements, expected } => match elements.next()? {
                Some(element) => {
                    json::bind(element).map_err(|error| error.within(format_args!("argument {}", elements.count())))
                }
                None => Err(BindError::Count { provided: elements.count(), expected: *expected }),
            },
            ByProtocol::MessagePack(elements) => {
                let bound = elements.next();
                bound.map_err(|error| error.within(format_args!("argument {}", elements.count())))
            }
        }
    }

    /// Succeeds when all arguments were taken.
    pub fn finish(self) -> Result<(), BindError> {
        let (mut elements, expected) = match self.0 {
            ByProtocol::Json { elements, expected } => (elements, expected),
            ByProtocol::MessagePack(_) => return Ok(()),
        };
        if elements.next()?.is_none() {
            return Ok(());
        }
        while elements.next()?.is_some() {}
        Err(BindError::Count { provided: elements.count(), expected })
    }
}

/// A result or an item of a stream, as it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    /// A JSON value, as [`crate::Protocol::decode`] checked or [`crate::Protocol::encode_value`] wrote it.
    Json(&'a [u8]),
    /// A MessagePack value; in a received message it may be malformed, which binding reports.
    MessagePack(&'a [u8]),
}

impl<'a> Value<'a> {
    /// Converts it.
    pub fn bind<T: DeserializeOwned>(&self) -> Result<T, BindError> {
        match self {
            Self::Json(value) => json::bind(value),
            Self::MessagePack(value) => msgpack::bind(value),
        }
    }

    /// Checks that this value can be sent to clients of every protocol, and that it has no more levels of arrays and objects than
    /// `deepest`, or 64 if that is less.
    ///
    /// Numbers mean what a double or an integer of 64 bits can hold of them: of more digits than that, JSON keeps all and
    /// MessagePack the first. Of members of one name the last one counts. [`AnyValue`](crate::AnyValue) and raw values
    /// of serde_json are checked when they are bound, with 62 levels.
    ///
    /// ```
    /// use signalhub_protocol::{NotPortable, Value};
    ///
    /// assert_eq!(Value::Json(b"[2.50]").check_portable(1), Ok(()));
    /// assert_eq!(Value::Json(b"[2.50]").check_portable(0), Err(NotPortable::Depth(0)));
    /// assert_eq!(Value::Json(b"1e400").check_portable(0), Err(NotPortable::Number));
    /// ```
    ///
    /// # Errors
    /// The reason why some clients could not be sent this value.
    pub fn check_portable(&self, deepest: u32) -> Result<(), NotPortable> {
        let deepest = deepest.min(MAX_DEPTH);
        // A new protocol has a check of its own here, and each of the others also refuses what the new one cannot represent: `crate::portable`
        // lists what that is.
        match self {
            Self::Json(text) => {
                let text = std::str::from_utf8(text).map_err(|_| NotPortable::Text)?;
                let mut scanner = json::Scanner::new(text.as_bytes());
                scanner.value_with(&mut json::Portable::new(deepest))?;
                Ok(scanner.end()?)
            }
            Self::MessagePack(value) => {
                let mut scanner = msgpack::Scanner::new(value);
                msgpack::check_portable(&mut scanner, deepest)?;
                if scanner.rest().is_empty() { Ok(()) } else { Err(NotPortable::Malformed) }
            }
        }
    }

    /// Gives its bytes, in its own protocol.
    pub fn as_bytes(&self) -> &'a [u8] {
        match *self {
            Self::Json(value) | Self::MessagePack(value) => value,
        }
    }
}

/// The protocols of this crate write what the value means, and so does any other serializer of text. A binary serializer of another
/// crate gets the bytes.
impl Serialize for Value<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let name = match self {
            Self::Json(_) => encoded::JSON,
            Self::MessagePack(_) => encoded::MESSAGE_PACK,
        };
        serializer.serialize_newtype_struct(name, &EncodedContent(*self))
    }
}

/// The content of the newtype struct that a [`Value`] serializes as: its bytes for the writer of its own protocol, which recognises
/// the name of that struct, and its meaning for all other serializers.
struct EncodedContent<'a>(Value<'a>);

impl Serialize for EncodedContent<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if encoded::wants_bytes(&serializer) {
            return serializer.serialize_bytes(self.0.as_bytes());
        }
        match self.0 {
            Value::Json(value) => json::forward(value, serializer),
            Value::MessagePack(value) => msgpack::forward(value, serializer),
        }
    }
}
