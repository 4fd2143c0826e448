//! A frame's header, which may arrive byte by byte.

use tungstenite::protocol::frame::coding::{Control, Data, OpCode};

use super::violation::Violation;

/// Whether a piece is the last one of its message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The last piece of the message.
    Last,
    /// Another piece follows.
    More,
}

/// The valid header of a client's frame (RFC 6455, 5.2).
#[derive(Debug)]
pub(super) struct Header {
    pub(super) end: End,
    pub(super) opcode: OpCode,
    pub(super) mask: [u8; 4],
    pub(super) length: u64,
}

/// The bytes of a header that have arrived.
///
/// Tungstenite's `FrameHeader::parse` is not used, because it needs the whole header at once, does not tell how long a
/// header will be, and leaves most checks to its caller.
#[derive(Debug, Default)]
pub(super) struct PartialHeader {
    bytes: [u8; 14],
    filled: u8,
}

impl PartialHeader {
    /// Takes bytes from the front of `input`, and returns their number. Once the header is complete, it returns the header.
    ///
    /// Most invalid headers are refused after their first two bytes.
    pub(super) fn fill(&mut self, input: &[u8]) -> Result<(usize, Option<Header>), Violation> {
        let mut taken = self.take(2, input);
        if self.filled < 2 {
            return Ok((taken, None));
        }
        let [first, second, ..] = self.bytes;
        let (end, opcode) = check(first, second)?;
        let short_length = second & 0x7f;
        let length_end = match short_length {
            126 => 4,
            127 => 10,
            _ => 2,
        };
        taken += self.take(length_end + 4, &input[taken..]);
        if usize::from(self.filled) < length_end + 4 {
            return Ok((taken, None));
        }
        // A length in a longer form than necessary is accepted, as by the original.
        let length = match self.bytes[2..length_end] {
            [] => u64::from(short_length),
            ref extended => extended.iter().fold(0, |length, byte| length << 8 | u64::from(*byte)),
        };
        if length >> 63 != 0 {
            return Err(Violation::Length);
        }
        let mut mask = [0; 4];
        mask.copy_from_slice(&self.bytes[length_end..length_end + 4]);
        Ok((taken, Some(Header { end, opcode, mask, length })))
    }

    /// Takes bytes until `wanted` have arrived, and returns how many it took.
    fn take(&mut self, wanted: usize, input: &[u8]) -> usize {
        let filled = usize::from(self.filled);
        let taken = wanted.saturating_sub(filled).min(input.len());
        self.bytes[filled..filled + taken].copy_from_slice(&input[..taken]);
        self.filled += taken as u8;
        taken
    }
}

/// Checks the first two bytes of a frame.
fn check(first: u8, second: u8) -> Result<(End, OpCode), Violation> {
    if first & 0x70 != 0 {
        return Err(Violation::ReservedBit);
    }
    let end = if first & 0x80 != 0 { End::Last } else { End::More };
    let opcode = OpCode::from(first & 0x0f);
    match opcode {
        OpCode::Data(Data::Reserved(opcode)) | OpCode::Control(Control::Reserved(opcode)) => {
            return Err(Violation::ReservedOpcode(opcode));
        }
        OpCode::Control(_) if end == End::More => return Err(Violation::FragmentedControl),
        OpCode::Control(_) if second & 0x7f > 125 => return Err(Violation::LongControl),
        OpCode::Control(_) | OpCode::Data(_) => {}
    }
    if second & 0x80 == 0 {
        return Err(Violation::Unmasked);
    }
    Ok((end, opcode))
}
