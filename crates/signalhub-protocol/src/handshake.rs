//! The handshake that selects the protocol. It is always JSON (HubProtocol, Overview).

use crate::error::DecodeError;
use crate::json::{Kind, Scanner, write_string};
use crate::protocol::Protocol;
use crate::protocol::json::{RECORD_SEPARATOR, envelope, first_record};

/// The client's first record: the protocol that it requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandshakeRequest {
    /// The name of the protocol as the client spelt it. Error texts keep that spelling.
    pub protocol: String,
    /// The version of the protocol.
    pub version: i32,
}

impl HandshakeRequest {
    /// Creates a request for a protocol.
    pub fn new(protocol: Protocol, version: i32) -> Self {
        Self { protocol: protocol.name().to_owned(), version }
    }

    /// Reads it and says how many bytes it took, its separator included; `None` while it is incomplete.
    pub fn parse(input: &[u8]) -> Result<Option<(Self, usize)>, HandshakeError> {
        Self::parse_grown(input, 0)
    }

    /// Reads it from an input that has grown: its first `searched` bytes were incomplete before, and are not searched again.
    pub fn parse_grown(input: &[u8], searched: usize) -> Result<Option<(Self, usize)>, HandshakeError> {
        let Some((record, consumed)) = first_record(input, searched) else {
            return Ok(None);
        };
        let mut protocol = None;
        let mut version = None;
        read_properties(record, &["protocol", "version"], |name, kind, scanner| {
            match name {
                b"protocol" => {
                    protocol = Some(envelope::read_string(scanner, kind, "protocol")?.decode()?.into_owned());
                }
                b"version" if kind == Kind::Null => {
                    scanner.word(b"null")?;
                    version = None;
                }
                b"version" => version = Some(envelope::read_integer(scanner, kind, "version", "Int32")?),
                _ => drop(scanner.value()?),
            }
            Ok(())
        })?;
        let missing = |property| HandshakeError::Missing { property, record: lossy(record) };
        let protocol = protocol.ok_or_else(|| missing("protocol"))?;
        let version = version.ok_or_else(|| missing("version"))?;
        Ok(Some((Self { protocol, version }, consumed)))
    }

    /// Appends it with its separator.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"protocol\":");
        write_string(&self.protocol, out);
        out.extend_from_slice(b",\"version\":");
        out.extend_from_slice(self.version.to_string().as_bytes());
        out.extend_from_slice(&[b'}', RECORD_SEPARATOR]);
    }
}

/// The server's first record: it accepts the protocol, or returns an error.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HandshakeResponse {
    /// Why the server refused the handshake.
    pub error: Option<String>,
}

impl HandshakeResponse {
    /// Reads it and says how many bytes it took, its separator included; `None` while it is incomplete.
    pub fn parse(input: &[u8]) -> Result<Option<(Self, usize)>, HandshakeError> {
        let Some((record, consumed)) = first_record(input, 0) else {
            return Ok(None);
        };
        let mut error = None;
        let mut hub_message = false;
        read_properties(record, &["error", "type"], |name, kind, scanner| {
            match name {
                b"error" => error = Some(envelope::read_string(scanner, kind, "error")?.decode()?.into_owned()),
                other => {
                    hub_message |= other == b"type";
                    scanner.value()?;
                }
            }
            Ok(())
        })?;
        if hub_message {
            return Err(HandshakeError::HubMessage);
        }
        Ok(Some((Self { error }, consumed)))
    }

    /// Appends the server's response with its separator; `None` accepts the handshake.
    pub fn encode(error: Option<&str>, out: &mut Vec<u8>) {
        out.push(b'{');
        if let Some(error) = error {
            out.extend_from_slice(b"\"error\":");
            write_string(error, out);
        }
        out.extend_from_slice(&[b'}', RECORD_SEPARATOR]);
    }
}

/// The first record is not a valid handshake.
///
/// Its text is the original's, because it reaches clients of hubs with detailed errors; only texts about bad JSON are ours, for
/// the original's name lines and columns of its own reader.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HandshakeError {
    /// The record is not JSON.
    #[error("The handshake is not valid JSON.")]
    Syntax,
    /// A property is missing.
    #[error("Missing required property '{property}'. Message content: {record}")]
    Missing {
        /// The name of the property.
        property: &'static str,
        /// The whole record.
        record: String,
    },
    /// The record or a property is of the wrong type.
    #[error("{0}")]
    Content(DecodeError),
    /// The server sent a hub message where its answer should be.
    #[error("Expected a handshake response from the server.")]
    HubMessage,
}

impl HandshakeError {
    /// Names the original's exception, which stands before the text in detailed errors.
    pub fn exception(&self) -> &'static str {
        match self {
            Self::Syntax => "JsonReaderException",
            Self::Content(error) => error.exception(),
            Self::Missing { .. } | Self::HubMessage => "InvalidDataException",
        }
    }
}

impl From<DecodeError> for HandshakeError {
    fn from(error: DecodeError) -> Self {
        match error {
            DecodeError::Syntax => Self::Syntax,
            other => Self::Content(other),
        }
    }
}

/// Hands each property of the record's object to `read`, which knows these names and must consume the value.
fn read_properties<'a>(
    record: &'a [u8],
    names: &[&str],
    mut read: impl FnMut(&[u8], Kind, &mut Scanner<'a>) -> Result<(), DecodeError>,
) -> Result<(), DecodeError> {
    let mut scanner = Scanner::new(record);
    envelope::open_object(&mut scanner)?;
    let mut first = true;
    while let Some(name) = scanner.next_property(&mut first)? {
        let name = name.known_bytes(names)?;
        let kind = scanner.kind()?;
        read(&name, kind, &mut scanner)?;
    }
    Ok(())
}

fn lossy(record: &[u8]) -> String {
    String::from_utf8_lossy(record).into_owned()
}

#[cfg(test)]
mod tests;
