//! The bytes of a client become events.

use std::ops::Deref;
use std::str;

use tungstenite::protocol::frame::coding::{CloseCode, Control, Data, OpCode};

use super::header::{End, Header, PartialHeader};
use super::message_kind::MessageKind;
use super::utf8::Utf8;
use super::violation::Violation;

/// Decodes the frames of one client, keeping only what an unfinished frame makes it keep.
///
/// Data frames never allocate. After a Close frame or a violation everything further is taken and dropped.
#[derive(Debug)]
pub(crate) struct Decoder {
    stage: Stage,
    /// The kind of the fragmented message whose next frame is still to come.
    fragmented: Option<MessageKind>,
    utf8: Utf8,
}

/// What a client has sent.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Event<'a> {
    /// A piece of a message's payload, unmasked; it may be empty, and may end within a character.
    Data { payload: &'a [u8], end: End, kind: MessageKind },
    /// A ping, to be answered by a pong with the same payload.
    Ping(ControlPayload),
    /// A pong.
    Pong(ControlPayload),
    /// The client closes, with a code and a reason if it gave them. Code 1014 is `CloseCode::Bad`, because tungstenite has no
    /// name for it.
    Close(Option<(CloseCode, String)>),
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

/// What is still to come of a data frame.
#[derive(Debug, Clone, Copy)]
struct DataFrame {
    remaining: u64,
    /// Turned so that it begins with the key of the next byte.
    mask: [u8; 4],
    /// Whether this frame is the message's last.
    end: End,
    kind: MessageKind,
}

/// What has come of a control frame.
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

    /// Tells whether no message has begun whose end is still to come.
    pub(crate) fn is_between_messages(&self) -> bool {
        self.fragmented.is_none() && !matches!(self.stage, Stage::Data(_))
    }

    /// Reads the next event from the front of `input`, whose payload it unmasks in place.
    ///
    /// Returns how many bytes it used, and the event. Without an event all the input was used, and more is needed.
    pub(crate) fn decode<'a>(&mut self, input: &'a mut [u8]) -> Result<(usize, Option<Event<'a>>), Violation> {
        let decoded = self.advance(input);
        if let Err(_) | Ok((_, Some(Event::Close(_)))) = decoded {
            self.stage = Stage::Over;
        }
        decoded
    }

    fn advance<'a>(&mut self, input: &'a mut [u8]) -> Result<(usize, Option<Event<'a>>), Violation> {
        let mut used = 0;
        loop {
            match &mut self.stage {
                Stage::Header(partial) => {
                    let (taken, header) = partial.fill(&input[used..])?;
                    used += taken;
                    let Some(header) = header else { return Ok((used, None)) };
                    self.stage = self.begin(&header)?;
                }
                Stage::Data(frame) => {
                    let frame = *frame;
                    let available = input.len() - used;
                    if available == 0 && frame.remaining > 0 {
                        return Ok((used, None));
                    }
                    // A length beyond the address space is treated as the longest one: the input is shorter.
                    let length = available.min(usize::try_from(frame.remaining).unwrap_or(usize::MAX));
                    let event = self.data(frame, &mut input[used..used + length])?;
                    return Ok((used + length, Some(event)));
                }
                Stage::Control(frame) => {
                    used += frame.fill(&input[used..]);
                    if frame.missing > 0 {
                        return Ok((used, None));
                    }
                    let event = frame.event()?;
                    self.stage = Stage::Header(PartialHeader::default());
                    return Ok((used, Some(event)));
                }
                Stage::Over => return Ok((input.len(), None)),
            }
        }
    }

    /// Decides what follows a header, given the message that may be open.
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

    /// Turns the whole frame into its event.
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
fn close(body: &[u8]) -> Result<Option<(CloseCode, String)>, Violation> {
    match body {
        [] => Ok(None),
        [_] => Err(Violation::CloseBody),
        [high, low, reason @ ..] => {
            let code = u16::from_be_bytes([*high, *low]);
            // 1014 was registered after the RFC; the original accepts it, tungstenite does not know it.
            if !CloseCode::from(code).is_allowed() && code != 1014 {
                return Err(Violation::CloseCode(code));
            }
            let reason = str::from_utf8(reason).map_err(|_| Violation::CloseReason)?;
            Ok(Some((code.into(), reason.to_owned())))
        }
    }
}

/// Unmasks `payload`, and returns the mask turned to the byte behind it.
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
