//! A hub connection with direct access to the socket, for ways of disconnecting that client libraries do not have.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::address::{Address, Socket};

/// The end of a record (HubProtocol, JSON encoding).
const SEPARATOR: char = '\x1e';

/// A WebSocket that is opened properly and then used as a stream of bytes.
pub(crate) struct RawHub(Box<dyn Socket>);

impl RawHub {
    /// Connects a WebSocket at a path and sends the handshake.
    pub(crate) async fn connect(address: &Address, path: &str, token: &str) -> io::Result<Self> {
        let mut socket = address.connect().await?;
        let host = address.authority();
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\
             Authorization: Bearer {token}\r\n\r\n"
        );
        socket.write_all(request.as_bytes()).await?;
        let mut hub = Self(socket);
        let head = hub.read_until("\r\n\r\n").await?;
        if !head.starts_with("HTTP/1.1 101 ") {
            return Err(io::Error::other(format!("{path} was answered with: {head}")));
        }
        hub.send(r#"{"protocol":"json","version":1}"#).await?;
        Ok(hub)
    }

    /// Sends a call with this id and waits for a completion without error.
    pub(crate) async fn call(&mut self, target: &str, arguments: &str) -> io::Result<()> {
        let call = format!(r#"{{"type":1,"invocationId":"1","target":"{target}","arguments":[{arguments}]}}"#);
        self.send(&call).await?;
        let answer = self.read_until(r#""type":3"#).await?;
        if answer.contains("error") { Err(io::Error::other(answer)) } else { Ok(()) }
    }

    /// Closes the socket in order, but without a close frame, and without the `close_notify` of TLS.
    pub(crate) fn leave(self) {
        drop(self.0);
    }

    /// Ends the socket with a reset.
    pub(crate) fn reset(self) -> io::Result<()> {
        self.0.tcp().set_zero_linger()
    }

    /// Sends one record as one text frame, whose mask is zero and whose length always has two bytes.
    async fn send(&mut self, record: &str) -> io::Result<()> {
        let record = format!("{record}{SEPARATOR}");
        let length = u16::try_from(record.len()).map_err(io::Error::other)?;
        let mut frame = vec![0x81, 0x80 | 126];
        frame.extend(length.to_be_bytes());
        frame.extend([0; 4]);
        frame.extend(record.as_bytes());
        self.0.write_all(&frame).await
    }

    /// Reads until a text has come, and with it the end of its record.
    async fn read_until(&mut self, wanted: &str) -> io::Result<String> {
        let mut bytes = Vec::new();
        loop {
            if self.0.read_buf(&mut bytes).await? == 0 {
                return Err(io::Error::other("the server ended the connection"));
            }
            let text = String::from_utf8_lossy(&bytes);
            let behind = text.split_once(wanted).map(|(_, behind)| behind);
            if behind.is_some_and(|behind| wanted.ends_with('\n') || behind.contains(SEPARATOR)) {
                return Ok(text.into_owned());
            }
        }
    }
}
