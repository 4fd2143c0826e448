//! The text that is sent: which event it is, and when it was due.
//!
//! It is found in the bytes of a message without decoding it, so that any server that passes the text on can be measured, whatever
//! it puts around it. Its characters are written as they are in JSON and in MessagePack.

use memchr::memmem::Finder;

use crate::schedule::Stream;

/// The shortest payload, in bytes: what identifies an event.
pub const SHORTEST_PAYLOAD: usize = 64;

const PREFIX: &str = "shbench:";

/// What a payload says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) stream: Stream,
    /// The number of the event in its stream.
    pub(crate) sequence: u32,
    /// When the event was due, in nanoseconds after the start.
    pub(crate) due: u64,
}

/// Writes and finds the payloads of one run, and no other's.
#[derive(Debug)]
pub(crate) struct Payloads {
    prefix: String,
    finder: Finder<'static>,
    size: usize,
}

impl Payloads {
    /// Prepares payloads of this number of bytes for a run, which a random number identifies.
    pub(crate) fn new(run: u32, size: usize) -> Self {
        let prefix = format!("{PREFIX}{run:08x}:");
        let finder = Finder::new(&prefix).into_owned();
        Self { prefix, finder, size }
    }

    /// Writes a payload.
    pub(crate) fn write(&self, mark: Mark) -> String {
        let Mark { stream: Stream { sender, group }, sequence, due } = mark;
        let mut text = format!("{}{sender:04x}:{group:08x}:{sequence:08x}:{due:016x}:", self.prefix);
        text.extend(std::iter::repeat_n('x', self.size.saturating_sub(text.len())));
        text
    }

    /// Finds the first payload in a message.
    pub(crate) fn find(&self, message: &[u8]) -> Option<Mark> {
        let start = self.finder.find(message)? + self.prefix.len();
        let fields = message.get(start..start + 40)?;
        let hex = |range: std::ops::Range<usize>| {
            let text = std::str::from_utf8(&fields[range]).ok()?;
            u64::from_str_radix(text, 16).ok()
        };
        let narrow = |range| u32::try_from(hex(range)?).ok();
        let stream = Stream { sender: narrow(0..4)?, group: narrow(5..13)? };
        Some(Mark { stream, sequence: narrow(14..22)?, due: hex(23..39)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_are_found_in_messages_of_their_run_alone() {
        let payloads = Payloads::new(0xbeef, 256);
        let mark = Mark { stream: Stream { sender: 3, group: 70_000 }, sequence: 4_000_000_000, due: u64::MAX - 1 };
        let text = payloads.write(mark);
        assert_eq!(text.len(), 256);
        let message = format!("{{\"type\":1,\"target\":\"x\",\"arguments\":[\"{text}\"]}}");
        assert_eq!(payloads.find(message.as_bytes()), Some(mark));
        assert_eq!(Payloads::new(0xbeee, 256).find(message.as_bytes()), None);
        for end in [0, 20, 60] {
            assert_eq!(payloads.find(&text.as_bytes()[..end.min(55)]), None);
        }
        assert!(Payloads::new(1, SHORTEST_PAYLOAD).write(mark).len() <= SHORTEST_PAYLOAD);
    }
}
