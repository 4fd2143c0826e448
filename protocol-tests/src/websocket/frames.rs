//! Converts WebSocket messages to the form that recordings have.

use serde_json::{Value, json};

use crate::drained::{RECORD_SEPARATOR, is_ping};
use crate::names::{Names, to_hex};
use crate::wire::WireError;

/// A keep-alive ping of the MessagePack protocol, in hexadecimal digits.
const BINARY_PING: &str = "9106";

/// The kind of a WebSocket message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Binary,
}

/// What one drain saw. Names are put back at its end, as the drain itself may save some.
#[derive(Debug)]
pub(super) struct Seen {
    pings: bool,
    shown: Vec<Shown>,
    raw: String,
}

/// One thing seen.
#[derive(Debug)]
pub(super) enum Shown {
    Message(String),
    Unterminated(String),
    Binary(String),
    Other(Value),
}

impl Seen {
    pub(super) fn new(pings: bool) -> Self {
        Self { pings, shown: vec![], raw: String::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.shown.len()
    }

    pub(super) fn push(&mut self, shown: Shown) {
        self.shown.push(shown);
    }

    /// Returns all text, and all bytes in hexadecimal digits, one after another.
    pub(super) fn raw(&self) -> &str {
        &self.raw
    }

    /// Splits a message into those of the protocol; `is_first` of a connection may be the answer to the handshake.
    pub(super) fn message(&mut self, kind: Kind, bytes: &[u8], is_first: bool) -> Result<(), WireError> {
        match (kind, bytes) {
            (Kind::Text, _) => {
                let text = std::str::from_utf8(bytes).map_err(|_| WireError::Malformed("UTF-8"))?;
                self.text(text);
            }
            // The handshake is JSON, in a binary frame too when a binary protocol was asked for.
            (Kind::Binary, [b'{', .., 0x1e]) if is_first => {
                let answer = std::str::from_utf8(&bytes[..bytes.len() - 1]);
                let answer = answer.map_err(|_| WireError::Malformed("UTF-8"))?;
                self.push(Shown::Other(json!({ "handshake": answer })));
            }
            (Kind::Binary, _) => {
                self.raw.push_str(&to_hex(bytes));
                let messages = split_at_lengths(bytes).into_iter();
                self.shown.extend(messages.filter(|m| self.pings || m != BINARY_PING).map(Shown::Binary));
            }
        }
        Ok(())
    }

    fn text(&mut self, text: &str) {
        self.raw.push_str(text);
        for part in text.split_inclusive(RECORD_SEPARATOR) {
            match part.strip_suffix(RECORD_SEPARATOR) {
                None => self.push(Shown::Unterminated(part.to_owned())),
                Some(message) if self.pings || !is_ping(message) => self.push(Shown::Message(message.to_owned())),
                Some(_) => {}
            }
        }
    }

    pub(super) fn into_values(self, names: &Names) -> Vec<Value> {
        let show = |shown| match shown {
            Shown::Message(text) => json!({ "message": names.message(&text) }),
            Shown::Unterminated(text) => json!({ "unterminated": names.collapse(&text) }),
            Shown::Binary(digits) => json!({ "binary": names.collapse(&digits) }),
            Shown::Other(value) => value,
        };
        self.shown.into_iter().map(show).collect()
    }
}

/// Splits bytes into the MessagePack messages behind their length prefixes (HubProtocol, "Framing": seven bits a byte, the
/// lowest first), in hexadecimal digits.
fn split_at_lengths(bytes: &[u8]) -> Vec<String> {
    let mut messages = vec![];
    let mut rest = bytes;
    while !rest.is_empty() {
        let mut length: usize = 0;
        let mut shift = 0;
        loop {
            let Some((byte, behind)) = rest.split_first() else {
                messages.push(format!("truncated:{}", to_hex(bytes)));
                return messages;
            };
            rest = behind;
            // A length beyond all memory takes whatever is left, however many bytes its prefix has.
            let part = usize::from(byte & 0x7f).checked_mul(1_usize.checked_shl(shift).unwrap_or(usize::MAX));
            length = length.saturating_add(part.unwrap_or(usize::MAX));
            shift += 7;
            if *byte < 0x80 {
                break;
            }
        }
        let (message, behind) = rest.split_at(length.min(rest.len()));
        messages.push(to_hex(message));
        rest = behind;
    }
    messages
}

#[cfg(test)]
mod tests;
