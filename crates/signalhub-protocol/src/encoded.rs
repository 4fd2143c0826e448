//! How readers and writers recognise values that are already encoded.
//!
//! Serde's data model has no type for an encoded value. Such a type gives serde a name that the readers and writers
//! of this crate recognise; for all other formats it is the name of a type like any other.

use std::borrow::Cow;

use serde::de::Visitor;
use serde::de::value::MapDeserializer;
use serde::ser::Serializer;

use crate::error::BindError;

/// The name of a type that takes an encoded value of any protocol.
pub(crate) const ANY_VALUE: &str = "$signalhub::AnyValue";

/// The name of an encoded value of JSON.
pub(crate) const JSON: &str = "$signalhub::Json";

/// The name of an encoded value of MessagePack.
pub(crate) const MESSAGE_PACK: &str = "$signalhub::MessagePack";

/// serde_json's name for a value that stays text.
pub(crate) const RAW_VALUE: &str = "$serde_json::private::RawValue";

/// The names of serde_json's types that serialize as a struct with one field, which is JSON text.
pub(crate) const SERDE_JSON_TEXTS: [&str; 2] = [RAW_VALUE, "$serde_json::private::Number"];

/// Hands out a value that stays text, in the form that serde_json's type expects.
pub(crate) fn visit_raw<'a, V: Visitor<'a>>(text: Cow<'a, str>, visitor: V) -> Result<V::Value, BindError> {
    visitor.visit_map(MapDeserializer::new(std::iter::once((RAW_VALUE, text))))
}

/// Hands out an encoded value under the name of its encoding, so that it is not taken for a value of another protocol.
pub(crate) fn visit_encoded<'a, V: Visitor<'a>>(
    encoding: &'static str,
    value: &'a [u8],
    visitor: V,
) -> Result<V::Value, BindError> {
    visitor.visit_map(MapDeserializer::new(std::iter::once((encoding, value))))
}

/// Tells whether the serializer asks an encoded value for its bytes rather than for what it means.
///
/// A writer that has recognised the name of its own encoding answers that its format is not human-readable. Serde asks this question
/// for types whose form depends on the format, so serializers of other crates answer it as well.
pub(crate) fn wants_bytes<S: Serializer>(serializer: &S) -> bool {
    !serializer.is_human_readable()
}
