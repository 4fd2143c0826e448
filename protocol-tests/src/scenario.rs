//! Runs one conversation with the server.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::address::Address;
use crate::http::{self, Response};
use crate::names::Names;
use crate::recording::{Action, Payload, Request, RequestFinish, Scenario, Step, TcpDrop, WsSend};
use crate::sse::EventStream;
use crate::websocket::WebSocket;
use crate::wire::WireError;

/// The time limit of a scenario. It stops servers that extend every deadline by sending single bytes.
const LIMIT: Duration = Duration::from_secs(300);

/// Runs the scenario; returns what each step saw, and `None` for steps that see nothing.
pub(crate) async fn replay(address: &Address, scenario: &Scenario) -> Vec<Option<Value>> {
    let mut seen = vec![];
    let mut conversation = Conversation::new(address);
    // An elapsed limit shows as the failures below.
    let _ = timeout(LIMIT, async {
        for step in &scenario.steps {
            seen.push(conversation.step(step).await);
        }
    })
    .await;
    seen.resize_with(scenario.steps.len(), || Some(failed(&WireError::TimedOut)));
    seen
}

/// The state of a scenario: saved names, open connections, requests in the background.
struct Conversation<'a> {
    address: &'a Address,
    names: Names,
    streams: HashMap<String, EventStream>,
    sockets: HashMap<String, WebSocket>,
    background: HashMap<String, Background>,
}

/// A request whose response is read by a task, and the names it gives.
struct Background {
    response: JoinHandle<Result<Response, WireError>>,
    save: BTreeMap<String, String>,
}

impl Drop for Background {
    fn drop(&mut self) {
        self.response.abort();
    }
}

impl<'a> Conversation<'a> {
    fn new(address: &'a Address) -> Self {
        Self {
            address,
            names: Names::default(),
            streams: HashMap::new(),
            sockets: HashMap::new(),
            background: HashMap::new(),
        }
    }

    async fn step(&mut self, step: &Step) -> Option<Value> {
        let mut seen = match self.act(step).await {
            Ok(seen) => seen?,
            Err(error) => return Some(failed(&error)),
        };
        if let (Some(only), Value::Object(parts)) = (&step.only, &mut seen) {
            parts.retain(|name, _| only.contains(name));
        }
        Some(seen)
    }

    async fn act(&mut self, step: &Step) -> Result<Option<Value>, WireError> {
        let name = &step.connection;
        match &step.action {
            Action::Request(request) => {
                let wire = http::send(self.address, request, &[], &self.names).await?;
                let response = Response::read(wire, request.timeout).await?;
                return Ok(Some(response.show(&request.save, &mut self.names)));
            }
            Action::RequestStart(request) => self.start(name, request).await?,
            Action::RequestFinish(finish) => return self.finish(name, finish).await.map(Some),
            Action::SseOpen(request) => {
                let (stream, seen) = EventStream::open(self.address, request, &self.names).await?;
                self.streams.insert(name.clone(), stream);
                return Ok(Some(seen));
            }
            Action::SseDrain(drain) => {
                let stream = self.streams.get_mut(name).ok_or_else(not_open)?;
                return stream.drain(drain, &self.names).await.map(Some);
            }
            Action::WsOpen(open) => {
                let (socket, seen) = WebSocket::open(self.address, open, &self.names).await?;
                self.sockets.insert(name.clone(), socket);
                return Ok(Some(seen));
            }
            Action::WsSend(send) => self.send(name, send).await?,
            Action::WsDrain(drain) => {
                let socket = self.sockets.get_mut(name).ok_or_else(not_open)?;
                return socket.drain(drain, &mut self.names).await.map(Some);
            }
            Action::WsClose(close) => self.sockets.get_mut(name).ok_or_else(not_open)?.close(close).await?,
            Action::TcpDrop(how) => self.drop_connection(name, how)?,
            Action::Sleep(sleep) => tokio::time::sleep(sleep.duration).await,
        }
        Ok(None)
    }

    async fn start(&mut self, name: &str, request: &Request) -> Result<(), WireError> {
        let wire = http::send(self.address, request, &[], &self.names).await?;
        let background =
            Background { response: tokio::spawn(Response::read(wire, request.timeout)), save: request.save.clone() };
        self.background.insert(name.to_owned(), background);
        Ok(())
    }

    async fn finish(&mut self, name: &str, finish: &RequestFinish) -> Result<Value, WireError> {
        let mut background = self.background.remove(name).ok_or_else(not_open)?;
        let response = timeout(finish.timeout, &mut background.response).await.map_err(|_| WireError::TimedOut)?;
        let response = response.map_err(io::Error::from)??;
        Ok(response.show(&background.save, &mut self.names))
    }

    async fn send(&mut self, name: &str, send: &WsSend) -> Result<(), WireError> {
        let payload = match &send.hex {
            Some(digits) => self.names.bytes(&Payload::Hex(digits.clone()))?,
            None => self.names.expand(&send.text).into_bytes(),
        };
        self.sockets.get_mut(name).ok_or_else(not_open)?.send(send, &payload).await
    }

    fn drop_connection(&mut self, name: &str, how: &TcpDrop) -> Result<(), WireError> {
        let socket = self.sockets.remove(name).map(WebSocket::into_wire);
        let stream = self.streams.remove(name).map(EventStream::into_wire);
        let wire = socket.or(stream).ok_or_else(not_open)?;
        if how.reset { wire.reset() } else { Ok(()) }
    }
}

fn failed(error: &WireError) -> Value {
    json!({ "failed": error.name() })
}

fn not_open() -> WireError {
    io::Error::from(io::ErrorKind::NotConnected).into()
}

#[cfg(test)]
mod tests;
