//! Cuts what a server sends into messages of the hub protocol, without decoding them.

use signalhub_protocol::Protocol;

/// The end of a JSON record (HubProtocol, JSON Encoding).
const SEPARATOR: u8 = 0x1e;

/// The longest incomplete message that is kept.
const LONGEST: usize = 64 * 1024 * 1024;

/// The bytes of a message that is not complete yet.
#[derive(Debug)]
pub(crate) struct Records {
    protocol: Protocol,
    incomplete: Vec<u8>,
}

/// A message is longer than any server sends, or its length is no length.
#[derive(Debug, thiserror::Error)]
#[error("the server sent a message that is too long, or is none of the protocol")]
pub(crate) struct RecordError;

impl Records {
    pub(crate) fn new(protocol: Protocol) -> Self {
        Self { protocol, incomplete: Vec::new() }
    }

    /// Takes the next bytes, and calls a function with each message that is complete now, its framing included.
    pub(crate) fn feed(&mut self, bytes: &[u8], mut each: impl FnMut(&[u8])) -> Result<(), RecordError> {
        if self.incomplete.is_empty() {
            let taken = cut(self.protocol, bytes, 0, &mut each)?;
            self.incomplete.extend_from_slice(&bytes[taken..]);
        } else {
            let searched = self.incomplete.len();
            self.incomplete.extend_from_slice(bytes);
            let taken = cut(self.protocol, &self.incomplete, searched, &mut each)?;
            self.incomplete.drain(..taken);
        }
        if self.incomplete.len() > LONGEST { Err(RecordError) } else { Ok(()) }
    }
}

/// Cuts off all messages that are complete, and tells how many bytes they have. The first bytes were searched before.
fn cut(
    protocol: Protocol,
    bytes: &[u8],
    mut searched: usize,
    each: &mut impl FnMut(&[u8]),
) -> Result<usize, RecordError> {
    let mut taken = 0;
    loop {
        let rest = &bytes[taken..];
        let length = match protocol {
            Protocol::Json => memchr::memchr(SEPARATOR, &rest[searched..]).map(|at| searched + at + 1),
            Protocol::MessagePack => binary_length(rest)?.filter(|length| *length <= rest.len()),
        };
        let Some(length) = length else { return Ok(taken) };
        each(&rest[..length]);
        taken += length;
        searched = 0;
    }
}

/// Reads the length in front of a message, seven bits a byte, the lowest first (HubProtocol, MessagePack Encoding); returns it with
/// its own bytes.
fn binary_length(bytes: &[u8]) -> Result<Option<usize>, RecordError> {
    let mut length = 0;
    for (index, byte) in bytes.iter().take(5).enumerate() {
        length |= usize::from(byte & 0x7F) << (7 * index);
        if byte & 0x80 == 0 {
            return Ok(Some(index + 1 + length));
        }
    }
    if bytes.len() < 5 { Ok(None) } else { Err(RecordError) }
}

#[cfg(test)]
mod tests {
    use signalhub_protocol::{HubMessage, Invocation};

    use super::*;

    #[test]
    fn messages_are_cut_however_they_come() {
        for protocol in Protocol::ALL {
            let (mut bytes, mut lengths) = (Vec::new(), Vec::new());
            for length in [0, 1, 100, 300, 20_000] {
                let (start, mut arguments) = (bytes.len(), Vec::new());
                protocol.encode_arguments(&("x".repeat(length),), &mut arguments).unwrap();
                let invocation = Invocation::new("Target", protocol.arguments(&arguments));
                protocol.encode(&HubMessage::Invocation(invocation), &mut bytes);
                protocol.encode(&HubMessage::Ping, &mut bytes);
                let mut ping = Vec::new();
                protocol.encode(&HubMessage::Ping, &mut ping);
                lengths.extend([bytes.len() - start - ping.len(), ping.len()]);
            }
            for size in [1, 7, 4096, usize::MAX] {
                let (mut records, mut seen) = (Records::new(protocol), Vec::new());
                for piece in bytes.chunks(size.min(bytes.len())) {
                    records.feed(piece, |record| seen.push(record.len())).unwrap();
                }
                assert_eq!(seen, lengths, "{protocol:?} in pieces of {size}");
            }
        }
        assert!(Records::new(Protocol::MessagePack).feed(&[0xff; 5], |_| {}).is_err());
    }
}
