//! A message, framed once for all its receivers.

use bytes::Bytes;

use crate::websocket::{Data, End, OpCode, encode_header};

/// The kind of a WebSocket message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MessageKind {
    /// UTF-8 text.
    Text,
    /// Bytes.
    Binary,
}

/// The longest header of a server's frame: two bytes and a 64-bit length; servers do not mask.
const LONGEST_HEADER: usize = 10;

/// One message with its WebSocket header in front, in one shared buffer.
///
/// WebSockets write all of it, other transports its payload. Cloning shares the bytes.
#[derive(Clone, Debug)]
pub struct Frame {
    bytes: Bytes,
    header_len: usize,
}

impl Frame {
    /// Frames a payload that `write` appends to the given buffer, without copying it again.
    pub fn build(kind: MessageKind, write: impl FnOnce(&mut Vec<u8>)) -> Self {
        let mut buffer = vec![0; LONGEST_HEADER];
        write(&mut buffer);
        Self::finish(kind, buffer)
    }

    /// Frames a copy of a payload.
    pub fn new(kind: MessageKind, payload: &[u8]) -> Self {
        Self::build(kind, |out| out.extend_from_slice(payload))
    }

    /// Restores a frame from the bytes that [`Frame::as_bytes`] gave.
    pub fn from_bytes(bytes: Bytes) -> Self {
        let header_len = match bytes.get(1) {
            Some(127) => 10,
            Some(126) => 4,
            _ => 2,
        };
        Self { header_len: header_len.min(bytes.len()), bytes }
    }

    pub(crate) fn control(bytes: Vec<u8>) -> Self {
        Self::from_bytes(bytes.into())
    }

    /// The header and the payload.
    pub fn as_bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The payload alone.
    pub fn payload(&self) -> Bytes {
        self.bytes.slice(self.header_len..)
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Writes the header into the room left in front, right before the payload.
    fn finish(kind: MessageKind, mut buffer: Vec<u8>) -> Self {
        let data = match kind {
            MessageKind::Text => Data::Text,
            MessageKind::Binary => Data::Binary,
        };
        let payload_len = buffer.len() - LONGEST_HEADER;
        let (header, header_len) = encode_header(OpCode::Data(data), End::Last, payload_len);
        let start = LONGEST_HEADER - header_len;
        buffer[start..LONGEST_HEADER].copy_from_slice(&header[..header_len]);
        Self { bytes: Bytes::from(buffer).slice(start..), header_len }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_takes_the_shortest_form() {
        for (len, header) in [
            (0usize, &[0x81u8, 0][..]),
            (125, &[0x81, 125]),
            (126, &[0x81, 126, 0, 126]),
            (65535, &[0x81, 126, 0xFF, 0xFF]),
            (65536, &[0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
        ] {
            let frame = Frame::new(MessageKind::Text, &vec![b'x'; len]);
            assert_eq!(&frame.as_bytes()[..header.len()], header, "of {len} bytes");
            assert_eq!(frame.payload().len(), len);
            assert_eq!(Frame::from_bytes(frame.as_bytes().clone()).payload().len(), len);
        }
    }
}
