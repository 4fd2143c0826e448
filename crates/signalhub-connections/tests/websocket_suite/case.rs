//! A case: what the client sends, and what it should see.

use std::fmt::Write;

/// Not zero, so that unmasking is part of every case.
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// Sent at the end of a case that leaves the connection open: its pong shows that everything before it was read.
pub(crate) const FENCE: &[u8] = b"fence";

/// One case.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) id: String,
    pub(crate) steps: Vec<Step>,
    pub(crate) tail: Tail,
    expected: Observed,
    /// What may be seen instead, and why.
    tolerated: Option<(Observed, &'static str)>,
}

/// What the client does.
#[derive(Debug)]
pub(crate) enum Step {
    /// Sends bytes in one write, which the server gets in one read as long as they are few.
    Write(Vec<u8>),
    /// Sends bytes in pieces of this length.
    Pieces(Vec<u8>, usize),
    /// Waits until this many bytes were echoed.
    Echoed(usize),
}

/// How the client ends a case.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Tail {
    /// The connection is expected to be open still: a ping, its pong, then Close with 1000.
    Fence,
    /// The server is expected to end the connection: the client shuts its side down, so that neither side waits.
    Silence,
}

/// What a server did with a case.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Observed {
    /// The payload of all messages: an echo of pieces does not keep message boundaries.
    pub(crate) payload: Vec<u8>,
    pub(crate) pongs: Vec<Vec<u8>>,
    pub(crate) close: Close,
    /// A frame that no server may send, or an end that did not come.
    pub(crate) unexpected: bool,
}

/// The close frame before the end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Close {
    /// There was none.
    #[default]
    Missing,
    /// It had no code.
    Empty,
    Code(u16),
}

/// The verdict on a case.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Verdict {
    Ok,
    Informational,
    Failed,
}

impl Case {
    /// Begins a case after which the connection is open.
    pub(crate) fn new(id: impl Into<String>) -> Self {
        let expected = Observed { close: Close::Code(1000), ..Observed::default() };
        Self { id: id.into(), steps: Vec::new(), tail: Tail::Fence, expected, tolerated: None }
    }

    /// Sends frames at once.
    pub(crate) fn sends(mut self, frames: impl IntoIterator<Item = Vec<u8>>) -> Self {
        self.steps.push(Step::Write(frames.into_iter().flatten().collect()));
        self
    }

    /// Sends frames, each by itself.
    pub(crate) fn sends_each(mut self, frames: impl IntoIterator<Item = Vec<u8>>) -> Self {
        self.steps.extend(frames.into_iter().map(Step::Write));
        self
    }

    /// Sends frames in pieces of this many bytes.
    pub(crate) fn sends_in(mut self, length: usize, frames: impl IntoIterator<Item = Vec<u8>>) -> Self {
        self.steps.push(Step::Pieces(frames.into_iter().flatten().collect(), length));
        self
    }

    /// Expects this to come back.
    pub(crate) fn echoes(mut self, payload: impl AsRef<[u8]>) -> Self {
        self.expected.payload.extend_from_slice(payload.as_ref());
        self
    }

    /// Waits for all that was to come back so far.
    pub(crate) fn waits(mut self) -> Self {
        self.steps.push(Step::Echoed(self.expected.payload.len()));
        self
    }

    pub(crate) fn pongs(mut self, payload: impl AsRef<[u8]>) -> Self {
        self.expected.pongs.push(payload.as_ref().to_vec());
        self
    }

    /// Expects the server to close with this code.
    pub(crate) fn closes(mut self, code: u16) -> Self {
        self.tail = Tail::Silence;
        self.expected.close = Close::Code(code);
        self
    }

    /// Accepts 1000 as the answer to another Close.
    pub(crate) fn or_1000(mut self) -> Self {
        let observed = Observed { close: Close::Code(1000), ..self.expected.clone() };
        if observed != self.expected {
            self.tolerated = Some((observed, "the original answers every Close with 1000"));
        }
        self
    }

    /// Expects a Close without a code.
    pub(crate) fn closes_without_code(self) -> Self {
        let mut case = self.closes(1000);
        case.expected.close = Close::Empty;
        case
    }

    /// Accepts that nothing comes back.
    pub(crate) fn or_no_echo(mut self, reason: &'static str) -> Self {
        let observed = Observed { payload: Vec::new(), ..self.expected.clone() };
        self.tolerated = Some((observed, reason));
        self
    }

    /// How the connection should end.
    pub(crate) fn expected_close(&self) -> Close {
        self.expected.close
    }

    pub(crate) fn verdict(&self, observed: &Observed) -> (Verdict, Option<&'static str>) {
        match &self.tolerated {
            _ if *observed == self.expected => (Verdict::Ok, None),
            Some((tolerated, reason)) if observed == tolerated => (Verdict::Informational, Some(reason)),
            _ => (Verdict::Failed, None),
        }
    }

    /// One line of what was seen.
    pub(crate) fn describe(&self, observed: &Observed) -> String {
        let mut line = String::new();
        let expected = &self.expected.payload;
        if !observed.payload.is_empty() || !expected.is_empty() {
            write!(line, "echo {}", observed.payload.len()).unwrap();
            if !expected.starts_with(&observed.payload) {
                line += " (other bytes)";
            } else if observed.payload.len() < expected.len() {
                write!(line, " of {}", expected.len()).unwrap();
            }
            line += ", ";
        }
        if !observed.pongs.is_empty() {
            let lengths: Vec<_> = observed.pongs.iter().map(|pong| pong.len().to_string()).collect();
            write!(line, "pong {}, ", lengths.join("+")).unwrap();
            if observed.pongs != self.expected.pongs {
                line += "not as expected, ";
            }
        }
        if observed.unexpected {
            line += "unexpected frame or no end, ";
        }
        match observed.close {
            Close::Missing => line += "end without close",
            Close::Empty => line += "close without code",
            Close::Code(code) => write!(line, "close {code}").unwrap(),
        }
        line
    }
}

/// A masked frame, by its first byte.
pub(crate) fn frame(first: u8, payload: impl AsRef<[u8]>) -> Vec<u8> {
    let payload = payload.as_ref();
    let mut frame = header(first, payload.len());
    frame.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, key)| byte ^ key));
    frame
}

/// A frame's header with its mask.
fn header(first: u8, length: usize) -> Vec<u8> {
    let mut header = vec![first];
    match length {
        0..=125 => header.push(0x80 | length as u8),
        126..=0xffff => {
            header.push(0x80 | 126);
            header.extend((length as u16).to_be_bytes());
        }
        _ => {
            header.push(0x80 | 127);
            header.extend((length as u64).to_be_bytes());
        }
    }
    header.extend(MASK);
    header
}

/// A text message in one frame.
pub(crate) fn text(payload: impl AsRef<[u8]>) -> Vec<u8> {
    frame(0x81, payload)
}

pub(crate) fn ping(payload: impl AsRef<[u8]>) -> Vec<u8> {
    frame(0x89, payload)
}

pub(crate) fn pong(payload: impl AsRef<[u8]>) -> Vec<u8> {
    frame(0x8a, payload)
}

pub(crate) fn close(code: u16, reason: impl AsRef<[u8]>) -> Vec<u8> {
    frame(0x88, [&code.to_be_bytes(), reason.as_ref()].concat())
}

/// A message in frames of this many bytes; `opcode` is 1 for text and 2 for binary.
pub(crate) fn fragments(opcode: u8, payload: &[u8], length: usize) -> Vec<Vec<u8>> {
    let count = payload.len().div_ceil(length).max(1);
    let piece = |index: usize| &payload[index * length..payload.len().min((index + 1) * length)];
    let first = |index: usize| (if index == 0 { opcode } else { 0 }) | (if index + 1 == count { 0x80 } else { 0 });
    (0..count).map(|index| frame(first(index), piece(index))).collect()
}
