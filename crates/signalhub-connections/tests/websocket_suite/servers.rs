//! The servers under test: each sends everything back.

use std::net::SocketAddr;
use std::sync::Arc;

use futures_util::{SinkExt, StreamExt};
use signalhub_connections::*;
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::accept_async;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

struct Echo;

impl ConnectionHandler for Echo {
    fn handle(self: Arc<Self>, mut connection: Connection) -> BoxFuture<()> {
        Box::pin(async move {
            let outbound = connection.outbound();
            let mut intake = Intake::Open;
            let reason = loop {
                // While the client does not read its echo, its input is not read; otherwise it would end as a slow consumer.
                let received = tokio::select! {
                    received = connection.receive(intake) => received,
                    () = outbound.ready(), if intake == Intake::Paused => {
                        intake = Intake::Open;
                        continue;
                    }
                };
                match received {
                    Received::Bytes => {}
                    Received::Ended(reason) => break reason,
                    _ => continue,
                }
                let _ = outbound.send(&Frame::new(MessageKind::Text, connection.input()));
                connection.consume(connection.input().len());
                intake = Intake::Paused;
            };
            connection.close(reason).await;
        })
    }
}

/// Starts ours.
pub(crate) async fn ours() -> SocketAddr {
    let server = Server::bind("127.0.0.1:0").await.unwrap().endpoint("/echo", Endpoint::new(Echo));
    let address = server.local_addr().unwrap();
    tokio::spawn(server.run_until(std::future::pending()));
    address
}

/// Starts the differential partner.
pub(crate) async fn tungstenite() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            tokio::spawn(echo(socket));
        }
    });
    address
}

async fn echo(socket: TcpStream) {
    let Ok(mut socket) = accept_async(socket).await else { return };
    while let Some(message) = socket.next().await {
        // Tungstenite leaves the close frame after a violation to its user; the kind of the error gives the code.
        let code = match message {
            Ok(message) if message.is_text() || message.is_binary() => {
                let _ = socket.send(message).await;
                continue;
            }
            Ok(_) => continue,
            Err(Error::Utf8(_)) => CloseCode::Invalid,
            Err(Error::Protocol(_) | Error::Capacity(_)) => CloseCode::Protocol,
            Err(_) => return,
        };
        let _ = socket.close(Some(CloseFrame { code, reason: "".into() })).await;
        return;
    }
}
