//! The SignalR hub protocol: handshake, messages and their encodings.
//!
//! Bytes go in and messages come out, or the reverse. This crate deliberately has no connection, no transport, no clock and no
//! hub method: it does not read sockets, does not act on messages, and keeps no state between them.
//!
//! Values inside messages (arguments, results, items) stay raw until a type is known. Then they become typed through serde, by
//! the rules of the original's serializers:
//!
//! | | JSON | MessagePack |
//! |---|---|---|
//! | field of a struct | its name in any case; written as serde names it | its name in PascalCase or as serde names it; written in PascalCase |
//! | unknown field | ignored | ignored |
//! | variant of an enum | its name in any case | its name |
//! | integer | a number without fraction | an integer of any width |
//! | float | a number | a float or an integer; written with its own width |
//! | `char` | a string | its code; a string is read, too |
//! | bytes (`bytes::Bytes`, `serde_bytes`) | base64 | bin |
//! | [`DateTime`], [`Timestamp`] | ISO 8601 | the extension -1, which types that are text read as ISO 8601 |
//! | `()`, `None` | null | nil |
//!
//! Keys of maps are not renamed. Nesting of 64 is the limit in both directions. A value that is passed on unread
//! ([`AnyValue`], raw values of serde_json) must be one that [every protocol can represent](Value::check_portable), so that
//! it can be sent to any client. Floats that are not finite are read where a float is expected, and nowhere else.
//!
//! ```
//! use signalhub_protocol::{Completion, HubMessage, Outcome, Protocol};
//!
//! let protocol = Protocol::Json;
//! let input = b"{\"type\":1,\"invocationId\":\"1\",\"target\":\"Add\",\"arguments\":[2,3]}\x1e";
//! let Some((HubMessage::Invocation(invocation), consumed)) = protocol.decode(input)? else { panic!("an invocation") };
//! assert_eq!((invocation.target.as_ref(), consumed), ("Add", input.len()));
//!
//! let mut arguments = invocation.arguments.bind(2)?;
//! let sum = arguments.next::<i32>()? + arguments.next::<i32>()?;
//! arguments.finish()?;
//!
//! let mut result = Vec::new();
//! protocol.encode_value(&sum, &mut result)?;
//! let mut answer = Vec::new();
//! let completion = Completion::new("1", Outcome::Result(protocol.value(&result)));
//! protocol.encode(&HubMessage::Completion(completion), &mut answer);
//! assert_eq!(answer, b"{\"type\":3,\"invocationId\":\"1\",\"result\":5}\x1e");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod any_value;
mod date_time;
mod encoded;
mod error;
mod fields;
mod handshake;
mod json;
mod limits;
mod message;
pub mod message_pack;
mod msgpack;
mod names;
mod portable;
mod protocol;
mod timestamp;
mod transcode;
mod value;

pub use any_value::AnyValue;
pub use date_time::{DateTime, ParseTimeError, Zone};
pub use error::{BindError, DecodeError, EncodeError};
pub use handshake::{HandshakeError, HandshakeRequest, HandshakeResponse};
pub use message::{
    CancelInvocation, Close, Completion, Headers, HubMessage, Invocation, Outcome, SequenceId, StreamItem,
};
pub use portable::NotPortable;
pub use protocol::{Protocol, TransferFormat};
pub use timestamp::Timestamp;
pub use value::{Arguments, Binder, Value};
