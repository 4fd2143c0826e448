//! A value of any type that is passed on unread.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde::ser::{Serialize, Serializer};

use crate::encoded::ANY_VALUE;
use crate::protocol::Protocol;
use crate::value::Value;

/// A value of any type, kept as it was sent: an argument that is only passed on, or stored.
///
/// Clients of the same protocol get the same bytes; for all others the value is translated: times become text in JSON,
/// bytes become base64. A value that [some protocol cannot represent](Value::check_portable) does not bind. Only the protocols
/// of this crate can bind it, and neither inside flattened structs nor inside untagged enums.
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
    /// Returns it as a value that can be part of a message.
    pub fn as_value(&self) -> Value<'_> {
        self.protocol.value(&self.bytes)
    }
}

impl fmt::Debug for AnyValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AnyValue({}, {})", self.protocol.name(), self.bytes.escape_ascii())
    }
}

impl<'de> Deserialize<'de> for AnyValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(ANY_VALUE, AnyValueVisitor)
    }
}

/// Reads the only entry of a map: the name of an encoding, and the bytes of a value in it.
struct AnyValueVisitor;

impl<'de> Visitor<'de> for AnyValueVisitor {
    type Value = AnyValue;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value in one of the hub protocols")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<AnyValue, A::Error> {
        match entries.next_entry()? {
            Some((Encoding(protocol), Bytes(bytes))) => Ok(AnyValue { protocol, bytes }),
            None => Err(A::Error::custom("an encoded value is missing")),
        }
    }
}

/// The protocol of a value, read from the name of its encoding.
struct Encoding(Protocol);

impl<'de> Deserialize<'de> for Encoding {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(EncodingVisitor)
    }
}

struct EncodingVisitor;

impl Visitor<'_> for EncodingVisitor {
    type Value = Encoding;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of an encoding")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Encoding, E> {
        let protocol = Protocol::ALL.into_iter().find(|protocol| protocol.encoding_name() == name);
        protocol.map(Encoding).ok_or_else(|| E::custom("the encoding is that of no hub protocol"))
    }
}

/// The bytes of a value.
struct Bytes(Vec<u8>);

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_bytes(BytesVisitor)
    }
}

struct BytesVisitor;

impl Visitor<'_> for BytesVisitor {
    type Value = Bytes;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an encoded value")
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Bytes, E> {
        Ok(Bytes(bytes.to_vec()))
    }
}

impl Serialize for AnyValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.as_value().serialize(serializer)
    }
}

#[cfg(test)]
mod tests;
