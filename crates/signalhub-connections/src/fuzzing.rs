//! A door to the codec for the fuzzer, which sees public items alone.

use crate::websocket_codec::{Decoder, Event};

/// Decodes a client's bytes in portions of the given size, and tells what was heard.
///
/// However the bytes are cut, the same must be heard: the payload of all messages, the control frames, and how it ended.
pub fn websocket(bytes: &[u8], portion: usize) -> String {
    let mut decoder = Decoder::new();
    let (mut heard, mut payload) = (String::new(), Vec::new());
    for chunk in bytes.chunks(portion.max(1)) {
        let mut chunk = chunk.to_vec();
        let mut rest = &mut chunk[..];
        while !rest.is_empty() {
            match decoder.decode(rest) {
                Ok((used, event)) => {
                    match event {
                        Some(Event::Data { payload: piece, .. }) => payload.extend_from_slice(piece),
                        Some(Event::Ping(ping)) => heard += &format!("ping {:?};", &*ping),
                        Some(Event::Pong(pong)) => heard += &format!("pong {:?};", &*pong),
                        Some(Event::Close(close)) => return format!("{heard}close {close:?};{payload:?}"),
                        None => {}
                    }
                    rest = &mut rest[used..];
                }
                // A violation gives nothing for the valid bytes before it in the same piece.
                Err(violation) => return format!("{heard}{}", violation.close_code()),
            }
        }
    }
    format!("{heard}{payload:?}")
}
