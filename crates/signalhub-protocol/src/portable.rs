//! Values that clients of every protocol can be given.
//!
//! JSON can spell what MessagePack has no form for, and the reverse. A value that is passed on unread is held against both
//! where it comes in, so that later nobody of its receivers is left out.

use crate::arguments::Value;
use crate::protocol::MAX_DEPTH;
use crate::{json, msgpack};

/// How deep a value may nest that is passed on unread: as an argument of a message it stands two levels deep.
pub(crate) const DEEPEST: u32 = MAX_DEPTH - 2;

/// The name that no member may have: `@msgpack/msgpack`, which official clients in JavaScript read MessagePack with, refuses
/// it, and the client ends its connection.
pub(crate) const PROTOTYPE: &str = "__proto__";

impl Value<'_> {
    /// Checks that clients of every protocol can be given this value, with no more levels of arrays and objects than
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
    /// Says what some clients could not be given.
    pub fn check_portable(&self, deepest: u32) -> Result<(), NotPortable> {
        let deepest = deepest.min(MAX_DEPTH);
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
}

/// What clients of some protocol cannot be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotPortable {
    /// It is no value of its protocol.
    #[error("this is not one whole value")]
    Malformed,
    /// Text is no Unicode: half a surrogate pair, or bytes that are no UTF-8.
    #[error("a string has half a surrogate pair or is no UTF-8")]
    Text,
    /// A number is beyond the range of a double, or is not finite.
    #[error("a number is not finite, or beyond the range of a double")]
    Number,
    /// It has more levels of arrays and objects than these.
    #[error("expected no more than {0} levels of objects and arrays")]
    Depth(u32),
    /// A member is named `__proto__`, which readers of MessagePack in JavaScript refuse.
    #[error("a member is named __proto__, which clients in JavaScript refuse")]
    Prototype,
    /// A key of a map is neither a string nor a number: readers in JavaScript know no others.
    #[error("a key of a map is neither a string nor a number")]
    Key,
    /// A key of a MessagePack map is there twice, which readers of MessagePack refuse.
    #[error("a key of a map is there twice")]
    RepeatedKey,
    /// A MessagePack extension is no timestamp, or one beyond the years of the calendar.
    #[error("an extension is no timestamp")]
    Extension,
}

#[cfg(test)]
mod tests;
