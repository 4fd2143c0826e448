//! How readers and writers recognise values that stay as they were encoded.
//!
//! Serde has no word for "these bytes are a value already". Types say it with a name that their reader or writer knows; to all
//! others it is the name of a type like any other.

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

/// serde_json's names for "this text is JSON already"; its own serializer knows them, too.
pub(crate) const VERBATIM: [&str; 2] = [RAW_VALUE, "$serde_json::private::Number"];

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

/// Tells whether an encoded value has to give its bytes, rather than what it means.
///
/// A writer that has recognised the name of its own encoding says that it is not for people to read. Serde has this question for
/// types whose form depends on the format, and so it is answered well by serializers that know nothing of this crate.
pub(crate) fn is_wanted_verbatim<S: Serializer>(serializer: &S) -> bool {
    !serializer.is_human_readable()
}
