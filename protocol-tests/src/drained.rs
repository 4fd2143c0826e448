//! What both drains share: of event streams and of WebSockets.

use serde_json::Value;

use crate::recording::Drain;

/// The character that ends each message of a text protocol.
pub(crate) const RECORD_SEPARATOR: char = '\x1e';

/// Tells whether a text message is a keep-alive ping.
pub(crate) fn is_ping(message: &str) -> bool {
    message.chars().filter(|c| *c != ' ').eq(r#"{"type":6}"#.chars())
}

/// Keeps the part of what was seen that the step compares.
pub(crate) fn kept(drain: &Drain, mut seen: Vec<Value>) -> Vec<Value> {
    if let Some(first) = drain.first {
        seen.truncate(first);
    }
    if let Some(last) = drain.last.filter(|last| *last > 0) {
        seen.drain(..seen.len().saturating_sub(last));
    }
    seen
}

#[cfg(test)]
mod tests;
