//! The opening handshake.

use http::{HeaderMap, HeaderName, HeaderValue};

use super::accept_key;

/// The example of RFC 6455, 1.3.
const SAMPLE: [(&str, &str); 4] = [
    ("connection", "Upgrade"),
    ("upgrade", "websocket"),
    ("sec-websocket-version", "13"),
    ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
];

/// Returns the answer to the example with the lines of one header replaced.
fn answer(name: &'static str, lines: &[&'static str]) -> Option<String> {
    let kept = SAMPLE.into_iter().filter(|(other, _)| *other != name);
    let replaced = lines.iter().map(|line| (name, *line));
    let headers: HeaderMap = kept
        .chain(replaced)
        .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
        .collect();
    accept_key(&headers)
}

#[test]
fn the_sample_is_accepted() {
    assert_eq!(answer("origin", &["x"]).as_deref(), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
}

/// Rows that the original answers in the same way.
#[test]
fn upgrades_are_distinguished_from_other_requests() {
    let row = |name, lines: &[&'static str], accepted| {
        assert_eq!(answer(name, lines).is_some(), accepted, "{name}: {lines:?}");
    };
    row("connection", &["keep-alive, UPGRADE"], true);
    row("connection", &["keep-alive", "upgrade"], true);
    row("connection", &["keep-alive"], false);
    row("connection", &["xupgrade"], false);
    row("connection", &[], false);
    row("upgrade", &["WebSocket"], true);
    row("upgrade", &["foo, websocket"], true);
    row("upgrade", &["foo", "websocket"], true);
    row("upgrade", &["h2c"], false);
    row("upgrade", &["websocket/13"], false);
    row("upgrade", &[], false);
    row("sec-websocket-version", &["8"], false);
    row("sec-websocket-version", &["8, 13"], true);
    row("sec-websocket-version", &["13", "13"], true);
    row("sec-websocket-version", &[], false);
    row("sec-websocket-key", &["AAAAAAAAAAAAAAAAAAAAAB=="], true);
    row("sec-websocket-key", &[], false);
    row("sec-websocket-key", &[""], false);
    row("sec-websocket-key", &["AAAAAAAAAAAAAAAAAAAAAA"], false);
    row("sec-websocket-key", &["eHh4eHh4eHh4eHh4eHh4"], false);
    row("sec-websocket-key", &["eHh4eHh4eHh4eHh4eHh4eHg="], false);
    row("sec-websocket-key", &["!!!!!!!!!!!!!!!!!!!!!!=="], false);
    row("sec-websocket-key", &["dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZQ=="], false);
}
