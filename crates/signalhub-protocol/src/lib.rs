//! The SignalR hub protocol: handshake, messages and their encodings.
//!
//! Bytes go in and messages come out, or the reverse. This crate deliberately knows no connection, no transport, no clock and no
//! hub method: it does not read sockets, does not decide what a message means, and keeps no state between messages.
//!
//! Values inside messages (arguments, results, items) stay raw until a type is known. Then they become typed through serde, by
//! the rules of the original's serializer: names of struct fields match whatever their case, unknown ones are ignored.
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

mod arguments;
pub mod handshake;
mod json;
mod message;
mod protocol;

pub use arguments::{Arguments, BindError, Binder, Value};
pub use handshake::{HandshakeError, HandshakeRequest, HandshakeResponse};
pub use message::{
    CancelInvocation, Close, Completion, Headers, HubMessage, Invocation, Outcome, SequenceId, StreamItem,
};
pub use protocol::{DecodeError, EncodeError, Protocol, TransferFormat};
