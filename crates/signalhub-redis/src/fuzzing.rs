//! What the fuzz targets call.

use crate::log::read_events;
use crate::resp::AnswerEnd;

/// Reads bytes as an answer of Redis with events, also when they come in two pieces.
///
/// # Panics
/// If the answer has another end in pieces than at once.
pub fn read_answer(bytes: &[u8], cut: usize) {
    let whole = AnswerEnd::default().find(bytes);
    let mut pieces = AnswerEnd::default();
    let first = pieces.find(&bytes[..cut.min(bytes.len())]);
    match (whole, first) {
        (whole, Ok(None)) => assert_eq!(pieces.find(bytes), whole),
        (whole, first) => assert_eq!(first.is_err(), whole.is_err()),
    }
    if let Ok(Some(length)) = whole {
        read_events(&bytes[..length]);
    }
    read_events(bytes);
}
