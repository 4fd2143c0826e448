//! Reads and writes MessagePack byte by byte, for formats of which the receiver must tolerate more than serde can express.
//!
//! ```
//! use signalhub_protocol::message_pack::{self, Container, Scanner, Token};
//!
//! let mut out = Vec::new();
//! message_pack::write_head(Container::Array, 2, &mut out);
//! message_pack::write_unsigned(200, &mut out);
//! message_pack::write_str("ann", &mut out);
//! assert_eq!(out, b"\x92\xCC\xC8\xA3ann");
//!
//! let mut scanner = Scanner::new(&out);
//! assert_eq!(scanner.token(), Ok(Token::Array(2)));
//! assert_eq!(scanner.token(), Ok(Token::Unsigned(200)));
//! assert_eq!(scanner.value(), Ok(&b"\xA3ann"[..]));
//! ```

pub use crate::msgpack::{
    Container, ScanError, Scanner, Token, write_bin, write_head, write_nil, write_signed, write_str, write_unsigned,
};
