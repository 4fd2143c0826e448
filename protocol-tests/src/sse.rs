//! Streams of server-sent events.

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::address::Address;
use crate::drained::{RECORD_SEPARATOR, is_ping, kept};
use crate::http::{Head, chunk, send, show_body};
use crate::names::Names;
use crate::recording::{Drain, Request};
use crate::wire::{TIMEOUT, Wire, WireError};

/// The response of a request for events.
#[derive(Debug)]
pub(crate) struct EventStream {
    wire: Wire,
    chunked: bool,
    text: Vec<u8>,
}

impl EventStream {
    /// Sends the request; returns the stream and what the head shows, with the body if it was refused.
    pub(crate) async fn open(address: &Address, request: &Request, names: &Names) -> Result<(Self, Value), WireError> {
        let mut wire = send(address, request, &[("Accept", "text/event-stream")], names).await?;
        let head = Head::read(&mut wire, TIMEOUT).await?;
        let mut seen = head.show(names);
        if head.status != 200 {
            let body = head.body(&mut wire, TIMEOUT / 2).await?;
            seen.insert("body".to_owned(), show_body(&body, names));
        }
        let stream = Self { wire, chunked: head.is_chunked(), text: vec![] };
        Ok((stream, seen.into()))
    }

    /// Reads until the server is quiet, and shows the events.
    pub(crate) async fn drain(&mut self, drain: &Drain, names: &Names) -> Result<Value, WireError> {
        let deadline = Instant::now() + drain.max;
        let mut ended = false;
        while !ended && Instant::now() < deadline && !self.has_enough(drain) {
            match self.read(drain).await {
                Ok(more) => ended = !more,
                Err(WireError::Ended) => ended = true,
                Err(WireError::TimedOut) => break,
                Err(error) => return Err(error),
            }
        }
        let text = String::from_utf8(std::mem::take(&mut self.text)).map_err(|_| WireError::Malformed("UTF-8"))?;
        Ok(json!({ "events": kept(drain, events(&text, drain, names)), "ended": ended }))
    }

    pub(crate) fn into_wire(self) -> Wire {
        self.wire
    }

    fn has_enough(&self, drain: &Drain) -> bool {
        let messages = self.text.iter().filter(|byte| char::from(**byte) == RECORD_SEPARATOR).count();
        drain.first.is_some_and(|first| messages >= first)
    }

    /// Reads once; `false` at the end.
    async fn read(&mut self, drain: &Drain) -> Result<bool, WireError> {
        if self.chunked {
            let chunk = chunk(&mut self.wire, drain.silence(), TIMEOUT).await?;
            let more = chunk.is_some();
            self.text.extend(chunk.unwrap_or_default());
            return Ok(more);
        }
        let more = self.wire.fill(drain.silence()).await;
        self.text.extend(self.wire.rest());
        more
    }
}

/// Splits the text of a stream into events, and these into messages.
fn events(text: &str, drain: &Drain, names: &Names) -> Vec<Value> {
    let mut events = vec![];
    let text = text.replace("\r\n", "\n");
    for block in text.split("\n\n").filter(|block| !block.is_empty()) {
        let lines = block.split('\n').filter_map(|line| line.strip_prefix("data:"));
        let lines: Vec<&str> = lines.map(|line| line.trim_start_matches(' ')).collect();
        let data = lines.join("\n");
        if data.is_empty() && block.split('\n').any(|line| line.starts_with(':')) {
            events.push(json!({ "comment": true }));
            continue;
        }
        let messages = data.split(RECORD_SEPARATOR).filter(|message| !message.is_empty());
        for message in messages.filter(|message| drain.pings || !is_ping(message)) {
            events.push(json!({ "message": names.message(message) }));
        }
    }
    events
}

#[cfg(test)]
mod tests;
