//! WebSockets, frame by frame.

mod accept;
mod frames;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::address::Address;
use crate::drained::kept;
use crate::http::{Head, Lines, show_body};
use crate::names::Names;
use crate::recording::{Drain, WsClose, WsOpen, WsSend};
use crate::wire::{TIMEOUT, Wire, WireError};

use frames::{Kind, Seen, Shown};

const CONTINUATION: u8 = 0;
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// A WebSocket, or the TCP connection after a refused upgrade.
#[derive(Debug)]
pub(crate) struct WebSocket {
    wire: Wire,
    partial: Vec<u8>,
    kind: Option<Kind>,
    has_spoken: bool,
}

impl WebSocket {
    /// Requests a WebSocket; returns it with the head of the response, and with the body if the upgrade was refused.
    pub(crate) async fn open(address: &Address, open: &WsOpen, names: &Names) -> Result<(Self, Value), WireError> {
        let key = STANDARD.encode(random::<16>()?);
        let mut lines = Lines::new(address);
        lines.set("Upgrade", "websocket".to_owned());
        lines.set("Connection", "Upgrade".to_owned());
        lines.set("Sec-WebSocket-Key", key.clone());
        lines.set("Sec-WebSocket-Version", "13".to_owned());
        if let Some(subprotocol) = &open.subprotocol {
            lines.set("Sec-WebSocket-Protocol", subprotocol.clone());
        }
        lines.set_all(&open.headers, names);
        let mut wire = Wire::connect(address).await?;
        wire.send(&lines.head("GET", address, &names.expand(&open.path))).await?;
        let head = Head::read(&mut wire, TIMEOUT).await?;
        let mut seen = head.show(names);
        if head.status == 101 {
            if head.header("sec-websocket-accept") != Some(&accept::accept_key(&key)) {
                seen.insert("accept".to_owned(), "wrong".into());
            }
        } else {
            let body = head.body(&mut wire, TIMEOUT / 2).await?;
            seen.insert("body".to_owned(), show_body(&body, names));
        }
        let socket = Self { wire, partial: vec![], kind: None, has_spoken: false };
        Ok((socket, seen.into()))
    }

    /// Sends one frame as a step describes it.
    pub(crate) async fn send(&mut self, send: &WsSend, payload: &[u8]) -> Result<(), WireError> {
        let opcode = send.opcode.unwrap_or(if send.hex.is_some() { BINARY } else { TEXT });
        let first = if send.fin { 0x80 | opcode } else { opcode };
        self.wire.send(&masked(first, payload, random()?)).await
    }

    pub(crate) async fn close(&mut self, close: &WsClose) -> Result<(), WireError> {
        let mut payload = close.code.to_be_bytes().to_vec();
        payload.extend(close.reason.as_bytes());
        self.wire.send(&masked(0x80 | CLOSE, &payload, random()?)).await
    }

    pub(crate) fn into_wire(self) -> Wire {
        self.wire
    }

    /// Reads until the server is quiet, and shows the frames.
    pub(crate) async fn drain(&mut self, drain: &Drain, names: &mut Names) -> Result<Value, WireError> {
        let deadline = Instant::now() + drain.max;
        let mut seen = Seen::new(drain.pings);
        let mut ended = false;
        while Instant::now() < deadline && drain.first.is_none_or(|first| seen.len() < first) {
            match self.frame(drain).await {
                Ok((first, payload)) => self.take(first, payload, &mut seen, names).await?,
                Err(WireError::TimedOut) => break,
                Err(WireError::Ended) => {
                    ended = true;
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        for (name, pattern) in &drain.save {
            names.save(name, pattern.first_group(seen.raw()).unwrap_or_default().to_owned());
        }
        let mut frames = seen.into_values(names);
        if ended {
            frames.push(json!({ "ended": true }));
        }
        Ok(json!({ "frames": kept(drain, frames) }))
    }

    /// Reads one frame: its first byte and its payload.
    async fn frame(&mut self, drain: &Drain) -> Result<(u8, Vec<u8>), WireError> {
        let head = self.wire.exactly(2, drain.silence()).await?;
        let more = match head[1] & 0x7f {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let length = if more == 0 {
            u64::from(head[1] & 0x7f)
        } else {
            let bytes = self.wire.exactly(more, TIMEOUT).await?;
            bytes.iter().fold(0, |length, byte| length << 8 | u64::from(*byte))
        };
        let length = usize::try_from(length).map_err(|_| WireError::Malformed("frame length"))?;
        Ok((head[0], self.wire.exactly(length, TIMEOUT).await?))
    }

    /// Handles one frame: records it in `seen`, and answers a ping.
    async fn take(&mut self, first: u8, payload: Vec<u8>, seen: &mut Seen, names: &Names) -> Result<(), WireError> {
        match first & 0x0f {
            CLOSE => seen.push(Shown::Other(shown_close(&payload, names)?)),
            PING => self.wire.send(&masked(0x80 | PONG, &payload, random()?)).await?,
            PONG => seen.push(Shown::Other(json!({ "pong": crate::names::to_hex(&payload) }))),
            opcode => {
                self.partial.extend(payload);
                if opcode != CONTINUATION {
                    self.kind = Some(if opcode == TEXT { Kind::Text } else { Kind::Binary });
                }
                if first & 0x80 != 0 {
                    let message = std::mem::take(&mut self.partial);
                    let kind = self.kind.ok_or(WireError::Malformed("continuation"))?;
                    let is_first = !std::mem::replace(&mut self.has_spoken, true);
                    seen.message(kind, &message, is_first)?;
                }
            }
        }
        Ok(())
    }
}

fn shown_close(payload: &[u8], names: &Names) -> Result<Value, WireError> {
    let (code, reason) = match payload {
        [high, low, reason @ ..] => (Some(u16::from_be_bytes([*high, *low])), reason),
        _ => (None, &[][..]),
    };
    let reason = std::str::from_utf8(reason).map_err(|_| WireError::Malformed("UTF-8"))?;
    Ok(json!({ "close": code, "reason": names.collapse(reason) }))
}

/// Returns a client's frame, masked as RFC 6455 (section 5.3) asks.
fn masked(first: u8, payload: &[u8], mask: [u8; 4]) -> Vec<u8> {
    let mut frame = vec![first];
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(length @ ..126), _) => frame.push(0x80 | length),
        (_, Ok(length)) => {
            frame.push(0x80 | 126);
            frame.extend(length.to_be_bytes());
        }
        _ => {
            frame.push(0x80 | 127);
            frame.extend((payload.len() as u64).to_be_bytes());
        }
    }
    frame.extend(mask);
    frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, key)| byte ^ key));
    frame
}

fn random<const N: usize>() -> Result<[u8; N], WireError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(std::io::Error::from)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests;
