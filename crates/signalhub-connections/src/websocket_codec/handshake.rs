//! The opening handshake: which requests are upgrades, and the key of the answer.

use base64::Engine;
use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use http::HeaderMap;
use http::header::{CONNECTION, HeaderName, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE};
use tungstenite::handshake::derive_accept_key;

/// Some clients fill the unused bits before the padding at random; the original accepts that.
const KEY: GeneralPurpose =
    GeneralPurpose::new(&alphabet::STANDARD, GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true));

/// Returns the `Sec-WebSocket-Accept` that answers a WebSocket upgrade, or `None` if these headers are not an upgrade.
///
/// A malformed upgrade is not an upgrade (RFC 6455, 4.2.1). The caller checks that the request is a GET of HTTP/1.1.
pub(crate) fn accept_key(headers: &HeaderMap) -> Option<String> {
    let is_upgrade = lists(headers, &CONNECTION, "upgrade")
        && lists(headers, &UPGRADE, "websocket")
        && lists(headers, &SEC_WEBSOCKET_VERSION, "13");
    let mut keys = headers.get_all(SEC_WEBSOCKET_KEY).iter();
    let (Some(key), None, true) = (keys.next(), keys.next(), is_upgrade) else {
        return None;
    };
    let nonce = KEY.decode(key.as_bytes()).ok()?;
    (nonce.len() == 16).then(|| derive_accept_key(key.as_bytes()))
}

/// Tells whether a header, which may be several lines and each a list, contains a token in any case.
fn lists(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    let lines = headers.get_all(name).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).any(|item| item.trim().eq_ignore_ascii_case(token))
}
