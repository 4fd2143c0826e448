//! Values that can be sent to clients of every protocol.
//!
//! Each protocol can represent values that another one cannot. A value that is passed on unread is checked when it is received,
//! by the rules of the protocol that it came in, so that it can be sent to the clients of every protocol later. What is refused, and
//! the protocol that has no form for it:
//!
//! | refused in JSON (`json/portable.rs`) | has no form in |
//! |---|---|
//! | half a surrogate pair in a string | MessagePack, whose strings are UTF-8 |
//! | a number beyond the range of a double | MessagePack |
//! | a member named `__proto__` | MessagePack, as JavaScript reads it |
//!
//! | refused in MessagePack (`msgpack/portable.rs`) | has no form in |
//! |---|---|
//! | a string that is not UTF-8 | JSON |
//! | a float that is not finite | JSON |
//! | an extension other than a timestamp between the years 1 and 9999 | JSON |
//! | a key that is neither a string nor a number | JSON |
//! | a duplicate key, or the key `__proto__` | MessagePack, as JavaScript reads it |

use crate::limits::MAX_DEPTH;

/// The maximum nesting of a value that is passed on unread. An argument is inside the array of arguments and the message, two levels.
pub(crate) const MAX_PORTABLE_DEPTH: u32 = MAX_DEPTH - 2;

/// The name that no member may have: `@msgpack/msgpack`, which official clients in JavaScript read MessagePack with, refuses
/// it, and the client ends its connection.
pub(crate) const PROTOTYPE: &str = "__proto__";

/// Tells why a value cannot be sent to the clients of every protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotPortable {
    /// The bytes are not one value of its protocol.
    #[error("this is not one whole value")]
    Malformed,
    /// Text is not Unicode: half a surrogate pair, or bytes that are not UTF-8.
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
    /// A MessagePack map has a duplicate key, which readers of MessagePack refuse.
    #[error("a map has a duplicate key")]
    RepeatedKey,
    /// A MessagePack extension is not a timestamp, or is a timestamp outside the years of the calendar.
    #[error("an extension is no timestamp")]
    Extension,
}

#[cfg(test)]
mod tests;
