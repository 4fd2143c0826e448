//! The JSON hub protocol (HubProtocol, JSON Encoding).

mod bind;
mod check;
mod elements;
mod encode;
pub(crate) mod envelope;
mod escape;
mod escape_table;
mod names;
mod number;
mod portable;
mod scan;
mod text;
mod write;

pub(crate) use bind::{RAW_VALUE, bind, forward, visit_raw};
pub(crate) use elements::Elements;
pub(crate) use encode::encode;
pub(crate) use envelope::decode;
pub(crate) use escape::write_string;
pub(crate) use names::{Key, name_of_data};
pub(crate) use portable::Portable;
pub(crate) use scan::{Kind, Scanner};
pub(crate) use write::{VERBATIM, write_arguments, write_value};

/// Ends each record (HubProtocol, JSON Encoding; 0x1E).
pub(crate) const RECORD_SEPARATOR: u8 = 0x1E;

/// Splits off the first record; gives it without its separator, and the number of bytes with it. There is no separator in
/// the first `searched` bytes.
pub(crate) fn first_record(input: &[u8], searched: usize) -> Option<(&[u8], usize)> {
    let len = searched + memchr::memchr(RECORD_SEPARATOR, input.get(searched..)?)?;
    Some((&input[..len], len + 1))
}
