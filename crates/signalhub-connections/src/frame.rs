//! A message, encoded once as a frame for all its receivers.

use bytes::Bytes;

use crate::websocket_codec::{Data, End, MessageKind, OpCode, encode_header};

/// The longest header of a server's frame: two bytes and a 64-bit length; servers do not mask.
const LONGEST_HEADER: usize = 10;

/// The initial capacity of a frame: most answers fit into it, with the header.
const LIKELY_LEN: usize = 128;

/// One message with its WebSocket header in front, in one shared buffer.
///
/// WebSockets write the whole buffer, other transports only the payload. Clones share the bytes.
#[derive(Clone, Debug)]
pub struct Frame {
    bytes: Bytes,
    header_len: u8,
    /// What the queue notes about it. It takes bytes of the frame that would be unused.
    note: QueueNote,
}

/// What a queue notes about a frame in it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct QueueNote {
    pub(crate) mark: Mark,
    /// When it was queued, by the clock of the server's traffic.
    pub(crate) since: u32,
}

/// What a queued frame counts as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Mark {
    /// Nothing: an answer, a ping, a message of the application.
    #[default]
    Message,
    /// A delivery of an event.
    Delivery,
    /// A delivery whose time is measured.
    TimedDelivery,
}

impl Frame {
    /// Makes a frame from the payload that `write` appends to a buffer, which saves a copy.
    pub fn build(kind: MessageKind, write: impl FnOnce(&mut Vec<u8>)) -> Self {
        let mut buffer = Vec::with_capacity(LIKELY_LEN);
        buffer.resize(LONGEST_HEADER, 0);
        write(&mut buffer);
        Self::finish(kind, buffer)
    }

    /// Makes a frame from a copy of a payload.
    pub fn new(kind: MessageKind, payload: &[u8]) -> Self {
        Self::build(kind, |out| out.extend_from_slice(payload))
    }

    /// Makes a frame from the bytes that [`Frame::as_bytes`] returned.
    pub fn from_bytes(bytes: Bytes) -> Self {
        let header_len: u8 = match bytes.get(1) {
            Some(127) => 10,
            Some(126) => 4,
            _ => 2,
        };
        // A caller that gives fewer bytes than a header gets a frame without payload.
        let header_len = if usize::from(header_len) <= bytes.len() { header_len } else { bytes.len() as u8 };
        Self { header_len, bytes, note: QueueNote::default() }
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
        self.bytes.slice(usize::from(self.header_len)..)
    }

    pub(crate) fn note(&self) -> QueueNote {
        self.note
    }

    /// Makes it count as a mere message, and returns what it counted as.
    pub(crate) fn unmark(&mut self) -> Mark {
        std::mem::take(&mut self.note.mark)
    }

    /// A clone with this note.
    pub(crate) fn noted(&self, note: QueueNote) -> Self {
        Self { note, ..self.clone() }
    }

    pub(crate) fn payload_len(&self) -> usize {
        self.bytes.len() - usize::from(self.header_len)
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Writes the header into the space before the payload.
    fn finish(kind: MessageKind, mut buffer: Vec<u8>) -> Self {
        let data = match kind {
            MessageKind::Text => Data::Text,
            MessageKind::Binary => Data::Binary,
        };
        let payload_len = buffer.len() - LONGEST_HEADER;
        let (header, header_len) = encode_header(OpCode::Data(data), End::Last, payload_len);
        let start = LONGEST_HEADER - header_len;
        buffer[start..LONGEST_HEADER].copy_from_slice(&header[..header_len]);
        // A header has at most 10 bytes.
        Self { bytes: Bytes::from(buffer).slice(start..), header_len: header_len as u8, note: QueueNote::default() }
    }
}

/// Messages that are sent one after the other: the bytes of their frames, in one shared buffer.
#[derive(Clone, Debug)]
pub struct Frames(Bytes);

impl Frames {
    /// Makes frames from the concatenated bytes that [`Frame::as_bytes`] returned.
    pub fn from_bytes(bytes: Bytes) -> Self {
        Self(bytes)
    }

    /// The bytes of all frames.
    pub(crate) fn as_bytes(&self) -> &Bytes {
        &self.0
    }

    /// The frames one by one, which share the bytes.
    pub(crate) fn each(&self) -> impl Iterator<Item = Frame> {
        let mut rest = self.0.clone();
        std::iter::from_fn(move || {
            let len = frame_len(&rest)?;
            Some(Frame::from_bytes(rest.split_to(len.min(rest.len()))))
        })
    }
}

/// The length of the first frame, which has no mask; `None` if there is no frame.
fn frame_len(bytes: &[u8]) -> Option<usize> {
    match *bytes {
        [_, 127, a, b, c, d, e, f, g, h, ..] => {
            usize::try_from(u64::from_be_bytes([a, b, c, d, e, f, g, h])).ok()?.checked_add(10)
        }
        [_, 126, high, low, ..] => Some(usize::from(u16::from_be_bytes([high, low])) + 4),
        [_, len, ..] => Some(usize::from(len) + 2),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joined_frames_come_apart_again() {
        let lens = [0, 3, 125, 126, 65_535, 65_536];
        let frames: Vec<Frame> = lens.iter().map(|len| Frame::new(MessageKind::Binary, &vec![7; *len])).collect();
        let joined = Frames::from_bytes(frames.iter().flat_map(|frame| frame.as_bytes().to_vec()).collect());
        let apart: Vec<Bytes> = joined.each().map(|frame| frame.as_bytes().clone()).collect();
        assert_eq!(apart, frames.iter().map(|frame| frame.as_bytes().clone()).collect::<Vec<_>>());
        assert_eq!(joined.each().map(|frame| frame.payload().len()).collect::<Vec<_>>(), lens);
    }

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
