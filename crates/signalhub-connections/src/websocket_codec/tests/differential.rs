//! The same bytes to tungstenite.
//!
//! The two differ on purpose in this:
//! - tungstenite judges a frame once it is whole, we as soon as its bytes tell: we may refuse a frame that it waits for;
//! - it has no name for close code 1014, and so refuses it;
//! - it hands a bad close code on, replaced, and answers it with 1002, where we refuse.

use std::io::{self, Cursor, Read, Write};

use proptest::prelude::*;
use tungstenite::protocol::{Role, WebSocket, WebSocketConfig};
use tungstenite::{Error, Message, error::ProtocolError};

use super::*;

/// What became of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// All was well, and more may come.
    Waits,
    /// The client closed.
    Closed,
    /// The client broke the protocol.
    Refused,
}

/// A client that has sent all it will, and takes all answers.
struct Sent(Cursor<Vec<u8>>);

impl Read for Sent {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for Sent {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        Ok(buffer.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn tungstenite_outcome(input: &[u8]) -> (Vec<Received>, Verdict) {
    // A frame that claims more than was sent would be waited for; the limit spares its allocation.
    let config = WebSocketConfig::default().max_message_size(None).max_frame_size(Some(1 << 20)).read_buffer_size(4096);
    let mut socket = WebSocket::from_raw_socket(Sent(Cursor::new(input.to_vec())), Role::Server, Some(config));
    let mut received = Vec::new();
    loop {
        match socket.read() {
            Ok(Message::Text(text)) => received.push(Received::Message(MessageKind::Text, text.as_bytes().to_vec())),
            Ok(Message::Binary(bytes)) => received.push(Received::Message(MessageKind::Binary, bytes.to_vec())),
            Ok(Message::Ping(payload)) => received.push(Received::Ping(payload.to_vec())),
            Ok(Message::Pong(payload)) => received.push(Received::Pong(payload.to_vec())),
            Ok(Message::Close(Some(close))) if close.reason.as_str() == "Protocol violation" => {
                return (received, Verdict::Refused);
            }
            Ok(Message::Close(close)) => {
                received.push(Received::Close(close.map(|close| (close.code.into(), close.reason.to_string()))));
                return (received, Verdict::Closed);
            }
            Ok(Message::Frame(_)) => unreachable!("tungstenite never reads a raw frame"),
            Err(Error::Capacity(_) | Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)) => {
                return (received, Verdict::Waits);
            }
            Err(_) => return (received, Verdict::Refused),
        }
    }
}

/// Decodes the input with our decoder, in tungstenite's terms: only whole messages.
fn our_outcome(input: &[u8]) -> (Vec<Received>, Verdict) {
    let (mut received, violation) = decode(input.chunks(61));
    received.retain(|event| !matches!(event, Received::Begun(..)));
    let verdict = match (received.last(), violation) {
        (_, Some(_)) => Verdict::Refused,
        (Some(Received::Close(_)), None) => Verdict::Closed,
        (_, None) => Verdict::Waits,
    };
    (received, verdict)
}

/// A text, by its pieces so that its frames can end within characters.
fn fragments(kind: MessageKind) -> BoxedStrategy<Vec<Vec<u8>>> {
    let bytes = match kind {
        MessageKind::Binary => prop::collection::vec(any::<u8>(), 0..300).boxed(),
        MessageKind::Text => any::<String>().prop_map(String::into_bytes).boxed(),
    };
    let long = (65_530_usize..65_540).prop_map(|length| vec![b'x'; length]);
    let payload = prop_oneof![60 => bytes, 1 => long];
    (payload, prop::collection::vec(any::<prop::sample::Index>(), 0..4))
        .prop_map(|(payload, cuts)| {
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(payload.len() + 1)).collect();
            cuts.extend([0, payload.len()]);
            cuts.sort_unstable();
            cuts.windows(2).map(|pair| payload[pair[0]..pair[1]].to_vec()).collect()
        })
        .boxed()
}

/// A ping or a pong, or nothing.
fn interlude() -> impl Strategy<Value = Vec<u8>> {
    let control = (prop::sample::select(vec![0x89, 0x8a]), prop::collection::vec(any::<u8>(), 0..=125));
    prop_oneof![3 => Just(Vec::new()), 1 => control.prop_map(|(first, payload)| frame(first, &payload))]
}

fn message() -> impl Strategy<Value = Vec<u8>> {
    let kinds = prop_oneof![Just((MessageKind::Text, 0x01)), Just((MessageKind::Binary, 0x02))];
    (kinds.prop_flat_map(|(kind, opcode)| (Just(opcode), fragments(kind))), interlude()).prop_map(
        |((opcode, fragments), interlude)| {
            let last = fragments.len() - 1;
            let frames = fragments.iter().enumerate().map(|(index, payload)| {
                let first = if index == 0 { opcode } else { 0x00 };
                frame(if index == last { first | 0x80 } else { first }, payload)
            });
            frames.collect::<Vec<_>>().join(&interlude[..])
        },
    )
}

fn close() -> impl Strategy<Value = Vec<u8>> {
    let codes = prop_oneof![
        4 => prop::sample::select(vec![1000_u16, 1001, 1002, 1003, 1007, 1011, 1013, 3000, 4999]),
        1 => prop::sample::select(vec![0_u16, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000]),
    ];
    let reason = prop_oneof![4 => "[a-zé]{0,40}".prop_map(String::into_bytes), 1 => Just(vec![0xff])];
    (codes, reason).prop_map(|(code, reason)| frame(0x88, &[&code.to_be_bytes(), &reason[..]].concat()))
}

/// Whole frames in an order that the protocol allows, and perhaps a Close, which may be bad.
pub(super) fn valid_frames() -> impl Strategy<Value = Vec<u8>> {
    let end = prop_oneof![Just(Vec::new()), Just(frame(0x88, b"")), close()];
    (prop::collection::vec(message(), 0..5), end).prop_map(|(messages, end)| [messages.concat(), end].concat())
}

/// The same with some bytes changed, added or removed, or whole frames of any kind in any order.
pub(super) fn any_frames() -> impl Strategy<Value = Vec<u8>> {
    let change = (any::<prop::sample::Index>(), 0..4, any::<u8>());
    let mutated = (valid_frames(), prop::collection::vec(change, 1..4)).prop_map(|(mut input, changes)| {
        for (index, change, byte) in changes {
            let at = index.index(input.len() + 1);
            match change {
                0 => input.insert(at, byte),
                1 => input.truncate(at),
                _ if at == input.len() => {}
                2 => input[at] ^= byte,
                _ => drop(input.remove(at)),
            }
        }
        input
    });
    let usual = prop::sample::select(vec![0x01, 0x02, 0x00, 0x80, 0x81, 0x82, 0x89, 0x8a, 0x88]);
    let first = prop_oneof![9 => usual, 1 => any::<u8>()];
    let text = prop::sample::select(vec![&b"plain"[..], b"\xce", b"\xba", b"\xf4\x8f", b"\xbf\xbf", b"\xed\xa0", b""]);
    let random = prop::collection::vec(any::<u8>(), 0..140);
    let payload = prop_oneof![4 => text.prop_map(<[u8]>::to_vec), 1 => random];
    let any_frame = (first, payload).prop_map(|(first, payload)| frame(first, &payload));
    let shuffled = prop::collection::vec(any_frame, 0..10).prop_map(|frames| frames.concat());
    prop_oneof![mutated, shuffled]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn tungstenite_outcome_the_same_of_whole_frames(input in valid_frames()) {
        prop_assert_eq!(our_outcome(&input), tungstenite_outcome(&input));
    }

    #[test]
    fn tungstenite_gives_the_same_verdict_on_any_frames(input in any_frames()) {
        let (ours, our_verdict) = our_outcome(&input);
        let (theirs, their_verdict) = tungstenite_outcome(&input);
        prop_assert_eq!(ours, theirs);
        let early = (our_verdict, their_verdict) == (Verdict::Refused, Verdict::Waits);
        prop_assert!(our_verdict == their_verdict || early, "we {our_verdict:?}, tungstenite {their_verdict:?}");
    }
}

#[test]
fn the_deliberate_differences_are_these() {
    let row =
        |input: &[u8], ours, theirs| assert_eq!((our_outcome(input).1, tungstenite_outcome(input).1), (ours, theirs));
    row(&frame(0x88, &1014_u16.to_be_bytes()), Verdict::Closed, Verdict::Refused);
    row(&[0x81, 0x05], Verdict::Refused, Verdict::Waits);
    row(&frame_with_length(0x81, &[100], b"\xff"), Verdict::Refused, Verdict::Waits);
    row(&frame_with_length(0x82, &[127, 0x80, 0, 0, 0, 0, 0, 0, 0], b""), Verdict::Refused, Verdict::Waits);
}
