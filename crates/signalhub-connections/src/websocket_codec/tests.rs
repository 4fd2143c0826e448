//! Vectors after the families of the Autobahn test suite, then properties, then a comparison with tungstenite.

use super::*;

mod close;
mod differential;
mod encoder;
mod frames;
mod handshake;
mod properties;
mod suite;
mod text;

/// What a decoder has received, with the pieces of a message put together.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Received {
    Message(MessageKind, Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<(u16, String)>),
    /// The message that had not ended when the input did.
    Begun(MessageKind, Vec<u8>),
}

/// What was received, and the violation that ended it.
type Outcome = (Vec<Received>, Option<Violation>);

/// Gives the chunks to a new decoder, one after another.
fn decode<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
    let mut decoder = Decoder::new();
    let mut received = Vec::new();
    let mut begun = None;
    for chunk in chunks {
        let mut chunk = chunk.to_vec();
        let mut used = 0;
        loop {
            let rest = &mut chunk[used..];
            let rest_len = rest.len();
            let Decoded { used: taken, event } = match decoder.decode(rest) {
                Ok(decoded) => decoded,
                Err(violation) => return (received, Some(violation)),
            };
            used += taken;
            match event {
                None => {
                    assert_eq!(taken, rest_len, "without an event all the input is taken");
                    break;
                }
                Some(Event::Data { payload, end, kind }) => {
                    let (_, message) = begun.get_or_insert_with(|| (kind, Vec::new()));
                    message.extend_from_slice(payload);
                    if end == End::Last {
                        received.extend(begun.take().map(|(kind, message)| Received::Message(kind, message)));
                    }
                }
                Some(Event::Ping(payload)) => received.push(Received::Ping(payload.to_vec())),
                Some(Event::Pong(payload)) => received.push(Received::Pong(payload.to_vec())),
                Some(Event::Close(close)) => {
                    received.push(Received::Close(close.map(|CloseBody { code, reason }| (code.into(), reason))));
                }
            }
        }
    }
    received.extend(begun.map(|(kind, message)| Received::Begun(kind, message)));
    (received, None)
}

/// Checks an outcome when the frames come at once, byte by byte, and in chunks that cut them anywhere.
#[track_caller]
fn check(frames: &[Vec<u8>], received: &[Received], violation: Option<Violation>) {
    let input = frames.concat();
    let expected = (received.to_vec(), violation);
    assert_eq!(decode([&input[..]]), expected, "at once");
    for size in [1, 2, 3, 5, 7, 64, 997] {
        // Nothing new is learnt from cutting a long message into single bytes.
        if size > 16 || input.len() < 10_000 {
            assert_eq!(decode(input.chunks(size)), expected, "in chunks of {size}");
        }
    }
}

/// Builds a client's frame with the shortest form of its length.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let length = match payload.len() {
        length @ ..126 => vec![length as u8],
        length @ ..0x1_0000 => [&[126], &(length as u16).to_be_bytes()[..]].concat(),
        length => [&[127], &(length as u64).to_be_bytes()[..]].concat(),
    };
    frame_with_length(first, &length, payload)
}

/// Builds a client's frame whose length field is given.
fn frame_with_length(first: u8, length: &[u8], payload: &[u8]) -> Vec<u8> {
    const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
    let mut frame = vec![first];
    frame.extend_from_slice(length);
    frame[1] |= 0x80;
    frame.extend_from_slice(&MASK);
    frame.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, key)| byte ^ key));
    frame
}

fn text(text: &str) -> Received {
    Received::Message(MessageKind::Text, text.as_bytes().to_vec())
}

fn ping(payload: &[u8]) -> Received {
    Received::Ping(payload.to_vec())
}
