//! A value that nobody looks into.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde::ser::{self, Serialize, Serializer};

use crate::arguments::Value;
use crate::msgpack::{self, Scanner, Token};
use crate::protocol::{EncodeError, Protocol};

/// What readers of this crate know the type by.
pub(crate) const ANY_VALUE: &str = "$signalhub::AnyValue";

/// What its writers know an encoded value by, in either protocol.
const JSON: &str = "$signalhub::Json";
const MESSAGE_PACK: &str = "$signalhub::MessagePack";

/// A value of any type, kept as it was sent: an argument that is only passed on, or stored.
///
/// Clients of the protocol that it came in get the very same bytes, all others what they mean: times become text in JSON,
/// bytes become base64. What [not every protocol can carry](Value::check_portable) does not bind. It is bound by the protocols of this crate alone, and neither inside flattened structs nor inside
/// untagged enums.
///
/// ```
/// use signalhub_protocol::{AnyValue, Protocol, Value};
///
/// let price = Value::Json(b"[2.50]").bind::<AnyValue>()?;
/// let (mut json, mut message_pack) = (Vec::new(), Vec::new());
/// Protocol::Json.encode_value(&price, &mut json)?;
/// Protocol::MessagePack.encode_value(&price, &mut message_pack)?;
/// assert_eq!(json, b"[2.50]");
/// assert_eq!(message_pack, b"\x91\xcb\x40\x04\0\0\0\0\0\0");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct AnyValue {
    protocol: Protocol,
    bytes: Vec<u8>,
}

impl AnyValue {
    /// Gives it as part of a message.
    pub fn as_value(&self) -> Value<'_> {
        self.protocol.value(&self.bytes)
    }

    /// Takes back what a [`Value`] gave to a serializer; `None` if the name is that of another type.
    pub(crate) fn take<T: Serialize + ?Sized>(name: &str, content: &T) -> Result<Option<Self>, EncodeError> {
        let protocol = match name {
            JSON => Protocol::Json,
            MESSAGE_PACK => Protocol::MessagePack,
            _ => return Ok(None),
        };
        let mut bytes = Vec::new();
        msgpack::write_value(content, &mut bytes)?;
        let Ok(Token::Bin(value)) = Scanner::new(&bytes).token() else {
            return Err(ser::Error::custom("an encoded value is bytes"));
        };
        let head = bytes.len() - value.len();
        bytes.drain(..head);
        Ok(Some(Self { protocol, bytes }))
    }
}

impl fmt::Debug for AnyValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AnyValue({}, {})", self.protocol.name(), self.bytes.escape_ascii())
    }
}

impl<'de> Deserialize<'de> for AnyValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(ANY_VALUE, Encoded)
    }
}

/// Takes JSON as text and MessagePack as bytes.
struct Encoded;

impl Visitor<'_> for Encoded {
    type Value = AnyValue;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value in one of the hub protocols")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<AnyValue, E> {
        Ok(AnyValue { protocol: Protocol::Json, bytes: text.as_bytes().to_vec() })
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<AnyValue, E> {
        Ok(AnyValue { protocol: Protocol::MessagePack, bytes: bytes.to_vec() })
    }
}

impl Serialize for AnyValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.as_value().serialize(serializer)
    }
}

/// The protocols of this crate write what it means; to any other serializer it is bytes.
impl Serialize for Value<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Json(value) => serializer.serialize_newtype_struct(JSON, &Bytes(value)),
            Self::MessagePack(value) => serializer.serialize_newtype_struct(MESSAGE_PACK, &Bytes(value)),
        }
    }
}

struct Bytes<'a>(&'a [u8]);

impl Serialize for Bytes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}
