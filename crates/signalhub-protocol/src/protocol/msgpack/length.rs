//! The length in front of each message (HubProtocol, MessagePack Encoding): seven bits a byte, the lowest first.

use crate::error::DecodeError;

/// How many bytes a length has at most.
const LONGEST: usize = 5;

/// Splits off the first body; gives it with the number of bytes that it took with its length, or `None` while it is incomplete.
pub(super) fn first_body(input: &[u8]) -> Result<Option<(&[u8], usize)>, DecodeError> {
    let mut len: u64 = 0;
    for (index, byte) in input.iter().take(LONGEST).enumerate() {
        len |= u64::from(byte & 0x7F) << (7 * index);
        if byte & 0x80 == 0 {
            let len = i32::try_from(len).ok().and_then(|len| usize::try_from(len).ok()).ok_or(DecodeError::Length)?;
            let start = index + 1;
            return Ok(input[start..].get(..len).map(|body| (body, start + len)));
        }
    }
    if input.len() < LONGEST { Ok(None) } else { Err(DecodeError::Length) }
}

/// Appends a message: what `write` appends, with its length in front.
pub(super) fn write_body(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.push(0);
    write(out);
    let mut len = out.len() - start - 1;
    let mut prefix = [0; 10];
    let mut used = 0;
    loop {
        let low = u8::try_from(len & 0x7F).unwrap_or_default();
        len >>= 7;
        prefix[used] = if len > 0 { low | 0x80 } else { low };
        used += 1;
        if len == 0 {
            break;
        }
    }
    // Most messages have a length of one byte, and then nothing moves.
    out.splice(start..=start, prefix[..used].iter().copied());
}

#[cfg(test)]
mod tests;
