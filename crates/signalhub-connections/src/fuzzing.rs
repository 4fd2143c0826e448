//! Access to the codec for the fuzzer, which sees public items only.

use crate::websocket_codec::{Decoded, Decoder, Event};

/// Decodes a client's bytes in portions of the given size, and returns what was received.
///
/// The result must not depend on how the bytes are cut: the payload of all messages, the control frames, and the end.
pub fn websocket(bytes: &[u8], portion: usize) -> String {
    let mut decoder = Decoder::new();
    let (mut received, mut payload) = (String::new(), Vec::new());
    for chunk in bytes.chunks(portion.max(1)) {
        let mut chunk = chunk.to_vec();
        let mut rest = &mut chunk[..];
        while !rest.is_empty() {
            match decoder.decode(rest) {
                Ok(Decoded { used, event }) => {
                    match event {
                        Some(Event::Data { payload: piece, .. }) => payload.extend_from_slice(piece),
                        Some(Event::Ping(ping)) => received += &format!("ping {:?};", &*ping),
                        Some(Event::Pong(pong)) => received += &format!("pong {:?};", &*pong),
                        Some(Event::Close(close)) => return format!("{received}close {close:?};{payload:?}"),
                        None => {}
                    }
                    rest = &mut rest[used..];
                }
                // A violation gives nothing for the valid bytes before it in the same piece.
                Err(violation) => return format!("{received}{}", violation.close_code()),
            }
        }
    }
    format!("{received}{payload:?}")
}
