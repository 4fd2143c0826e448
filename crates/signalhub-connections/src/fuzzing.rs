//! Access to the codecs for the fuzzer, which sees public items only.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{HeaderValue, Method};

use crate::auth::identity::Principal;
use crate::cluster::counts::ForwardRefusal;
use crate::cluster::forward_header::{ForwardHeader, ForwardedRequest};
use crate::cluster::node::NodeName;
use crate::cluster::secrets::ClusterSecrets;
use crate::cluster::token::{SignedToken, TokenScope};
use crate::websocket_codec::{Decoded, Decoder, Event};

/// Reads a text as a connection token of a cluster.
///
/// # Panics
/// If a token that was read is another one after it was written, or if the text is accepted without a secret.
pub fn connection_token(text: &str) {
    let secrets = ClusterSecrets::new([[7; 32]]).expect("it is long enough");
    let scope = TokenScope { path: "/hub", principal: &Principal::default() };
    assert!(SignedToken::decode(&secrets, scope, text).is_err(), "accepted without a secret");
    let Some((token, ..)) = SignedToken::parse(text) else { return };
    let written = token.encode(&secrets, scope);
    assert_eq!(SignedToken::decode(&secrets, scope, &written).as_ref(), Ok(&token));
    assert_eq!(token.names(&written).token.reveal(), written);
    token.time_left(SystemTime::now(), Duration::from_secs(15));
}

/// Reads a text as the header of a forwarded request.
///
/// # Panics
/// If a header that was read is another one after it was written, or if the text is accepted without a secret.
pub fn forward_header(text: &str) {
    let secrets = ClusterSecrets::new([[7; 32]]).expect("it is long enough");
    let to = NodeName::new("a").expect("it is a name");
    let request = ForwardedRequest { to: &to, method: &Method::POST, target: "/hub?id=x" };
    let check = |value: &HeaderValue| ForwardHeader::decode(&secrets, request, value, UNIX_EPOCH);
    if let Ok(value) = HeaderValue::try_from(text) {
        assert!(check(&value).is_err(), "accepted without a secret");
    }
    let Some((header, _)) = ForwardHeader::parse(text) else { return };
    match check(&header.encode(&secrets, request)) {
        Ok((read, _)) => assert_eq!(read, header),
        Err(refused) => assert_eq!(refused, ForwardRefusal::Expired),
    }
}

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
