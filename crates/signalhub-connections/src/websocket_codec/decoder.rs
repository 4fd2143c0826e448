//! The decoder: turns the bytes of a client into events.

use std::ops::Deref;
use std::str;

use tungstenite::protocol::frame::coding::{CloseCode, Control, Data, OpCode};

use super::header::{End, Header, PartialHeader};
use super::message_kind::MessageKind;
use super::utf8::Utf8;
use super::violation::Violation;

/// Decodes the frames of one client. Between calls it keeps only a partial header or a partial control frame.
///
/// Data frames never allocate. After a close frame or a violation, all further input is dropped.
#[derive(Debug)]
pub(crate) struct Decoder {
    stage: Stage,
    /// The kind of the fragmented message whose next frame is still to come.
    fragmented: Option<MessageKind>,
    utf8: Utf8,
}

/// A frame of a client, or a piece of a data frame.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Event<'a> {
    /// A piece of a message's payload, unmasked; it may be empty, and may end within a character.
    Data { payload: &'a [u8], end: End, kind: MessageKind },
    /// A ping, to be answered by a pong with the same payload.
    Ping(ControlPayload),
    /// A pong.
    Pong(ControlPayload),
    /// A close frame, with a body if the client sent one.
    Close(Option<CloseBody>),
}

/// What was decoded from the front of an input.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Decoded<'a> {
    /// How many bytes were used.
    pub(crate) used: usize,
    /// `None` if all the input was used and more is needed.
    pub(crate) event: Option<Event<'a>>,
}

/// The code and the reason of a close frame.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct CloseBody {
    /// Code 1014 is `CloseCode::Bad`, because tungstenite has no name for it.
    pub(crate) code: CloseCode,
    pub(crate) reason: String,
}

/// The payload of a ping or a pong, at most 125 bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ControlPayload(Vec<u8>);

#[derive(Debug)]
enum Stage {
    Header(PartialHeader),
    Data(DataFrame),
    Control(ControlFrame),
    /// After a Close frame or a violation.
    Over,
}

/// A data frame whose payload has not arrived completely.
#[derive(Debug, Clone, Copy)]
struct DataFrame {
    remaining: u64,
    /// Rotated so that it begins with the key of the next byte.
    mask: [u8; 4],
    /// Whether this frame is the message's last.
    end: End,
    kind: MessageKind,
}

/// A control frame whose payload has not arrived completely.
#[derive(Debug)]
struct ControlFrame {
    /// Still masked.
    payload: Vec<u8>,
    missing: usize,
    mask: [u8; 4],
    opcode: Control,
}

impl Decoder {
    /// Creates a decoder that expects a frame's first byte.
    pub(crate) fn new() -> Self {
        Self { stage: Stage::Header(PartialHeader::default()), fragmented: None, utf8: Utf8::default() }
    }

    /// Tells whether no message has begun without having ended.
    pub(crate) fn is_between_messages(&self) -> bool {
        self.fragmented.is_none() && !matches!(self.stage, Stage::Data(_))
    }

    /// Reads the next event from the front of `input`, whose payload it unmasks in place.
    ///
    /// # Errors
    /// The client violated the protocol. All further input is dropped.
    pub(crate) fn decode<'a>(&mut self, input: &'a mut [u8]) -> Result<Decoded<'a>, Violation> {
        let decoded = self.advance(input);
        if let Err(_) | Ok(Decoded { event: Some(Event::Close(_)), .. }) = decoded {
            self.stage = Stage::Over;
        }
        decoded
    }

    fn advance<'a>(&mut self, input: &'a mut [u8]) -> Result<Decoded<'a>, Violation> {
        let mut used = 0;
        loop {
            match &mut self.stage {
                Stage::Header(partial) => {
                    let (taken, header) = partial.fill(&input[used..])?;
                    used += taken;
                    let Some(header) = header else { return Ok(Decoded { used, event: None }) };
                    self.stage = self.begin(&header)?;
                }
                Stage::Data(frame) => {
                    let frame = *frame;
                    let available = input.len() - used;
                    if available == 0 && frame.remaining > 0 {
                        return Ok(Decoded { used, event: None });
                    }
                    // A length beyond the address space is treated as the longest one: the input is shorter.
                    let length = available.min(usize::try_from(frame.remaining).unwrap_or(usize::MAX));
                    let event = self.data(frame, &mut input[used..used + length])?;
                    return Ok(Decoded { used: used + length, event: Some(event) });
                }
                Stage::Control(frame) => {
                    used += frame.fill(&input[used..]);
                    if frame.missing > 0 {
                        return Ok(Decoded { used, event: None });
                    }
                    let event = frame.event()?;
                    self.stage = Stage::Header(PartialHeader::default());
                    return Ok(Decoded { used, event: Some(event) });
                }
                Stage::Over => return Ok(Decoded { used: input.len(), event: None }),
            }
        }
    }

    /// Starts the frame of a header. Whether its opcode is allowed depends on the fragmented message that may have begun.
    fn begin(&mut self, header: &Header) -> Result<Stage, Violation> {
        let kind = match (header.opcode, self.fragmented) {
            (OpCode::Control(opcode), _) => {
                let missing = usize::try_from(header.length).map_err(|_| Violation::LongControl)?;
                let payload = Vec::with_capacity(missing);
                return Ok(Stage::Control(ControlFrame { payload, missing, mask: header.mask, opcode }));
            }
            (OpCode::Data(Data::Continue), Some(kind)) => kind,
            (OpCode::Data(Data::Continue), None) => return Err(Violation::UnexpectedContinuation),
            (OpCode::Data(_), Some(_)) => return Err(Violation::ExpectedContinuation),
            (OpCode::Data(Data::Text), None) => MessageKind::Text,
            (OpCode::Data(Data::Binary), None) => MessageKind::Binary,
            (OpCode::Data(Data::Reserved(opcode)), None) => return Err(Violation::ReservedOpcode(opcode)),
        };
        self.fragmented = match header.end {
            End::Last => None,
            End::More => Some(kind),
        };
        Ok(Stage::Data(DataFrame { remaining: header.length, mask: header.mask, end: header.end, kind }))
    }

    /// Takes `payload`, the next bytes of `frame`.
    fn data<'a>(&mut self, mut frame: DataFrame, payload: &'a mut [u8]) -> Result<Event<'a>, Violation> {
        frame.mask = unmask(payload, frame.mask);
        frame.remaining -= payload.len() as u64;
        let end = if frame.remaining == 0 { frame.end } else { End::More };
        self.stage = if frame.remaining == 0 { Stage::Header(PartialHeader::default()) } else { Stage::Data(frame) };
        if frame.kind == MessageKind::Text {
            self.utf8.extend(payload).map_err(|_| Violation::Text)?;
            if end == End::Last {
                self.utf8.finish().map_err(|_| Violation::Text)?;
            }
        }
        Ok(Event::Data { payload, end, kind: frame.kind })
    }
}

impl ControlFrame {
    /// Takes its missing bytes from the front of `input`, and returns how many there were.
    fn fill(&mut self, input: &[u8]) -> usize {
        let taken = self.missing.min(input.len());
        self.payload.extend_from_slice(&input[..taken]);
        self.missing -= taken;
        taken
    }

    /// Makes the event of a complete frame.
    fn event(&mut self) -> Result<Event<'static>, Violation> {
        let mut payload = std::mem::take(&mut self.payload);
        unmask(&mut payload, self.mask);
        match self.opcode {
            Control::Ping => Ok(Event::Ping(ControlPayload(payload))),
            Control::Pong => Ok(Event::Pong(ControlPayload(payload))),
            Control::Close => close(&payload).map(Event::Close),
            Control::Reserved(opcode) => Err(Violation::ReservedOpcode(opcode)),
        }
    }
}

impl Deref for ControlPayload {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl Violation {
    /// Returns the code to close the connection with (RFC 6455, 7.4.1).
    pub(crate) fn close_code(self) -> u16 {
        let code = match self {
            Self::Text | Self::CloseReason => CloseCode::Invalid,
            Self::ReservedBit
            | Self::ReservedOpcode(_)
            | Self::Unmasked
            | Self::FragmentedControl
            | Self::LongControl
            | Self::Length
            | Self::UnexpectedContinuation
            | Self::ExpectedContinuation
            | Self::CloseBody
            | Self::CloseCode(_) => CloseCode::Protocol,
        };
        code.into()
    }
}

/// Reads the body of a Close frame.
fn close(body: &[u8]) -> Result<Option<CloseBody>, Violation> {
    match body {
        [] => Ok(None),
        [_] => Err(Violation::CloseBody),
        [high, low, reason @ ..] => {
            let code = u16::from_be_bytes([*high, *low]);
            // 1014 was registered after the RFC. The original accepts it, and tungstenite has no name for it.
            if !CloseCode::from(code).is_allowed() && code != 1014 {
                return Err(Violation::CloseCode(code));
            }
            let reason = str::from_utf8(reason).map_err(|_| Violation::CloseReason)?;
            Ok(Some(CloseBody { code: code.into(), reason: reason.to_owned() }))
        }
    }
}

/// Unmasks `payload`, and returns the mask rotated for the byte after it.
fn unmask(payload: &mut [u8], mut mask: [u8; 4]) -> [u8; 4] {
    let [a, b, c, d] = mask;
    let word = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let mut words = payload.chunks_exact_mut(8);
    for eight in &mut words {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(eight);
        eight.copy_from_slice(&(u64::from_ne_bytes(bytes) ^ word).to_ne_bytes());
    }
    for (byte, key) in words.into_remainder().iter_mut().zip([a, b, c, d, a, b, c]) {
        *byte ^= key;
    }
    mask.rotate_left(payload.len() % 4);
    mask
}
