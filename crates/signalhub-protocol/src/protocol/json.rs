//! Messages in JSON (HubProtocol, JSON Encoding).

mod encode;
pub(crate) mod envelope;

pub(super) use encode::encode;
pub(super) use envelope::decode;

/// Ends each record (HubProtocol, JSON Encoding; 0x1E).
pub(crate) const RECORD_SEPARATOR: u8 = 0x1E;

/// Splits off the first record; gives it without its separator, and the number of bytes with it. There is no separator in
/// the first `searched` bytes.
pub(crate) fn first_record(input: &[u8], searched: usize) -> Option<(&[u8], usize)> {
    let len = searched + memchr::memchr(RECORD_SEPARATOR, input.get(searched..)?)?;
    Some((&input[..len], len + 1))
}
