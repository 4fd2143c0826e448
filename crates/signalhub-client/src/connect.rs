//! Opens a connection: first the WebSocket, then the hub handshake.

use std::io;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use http::header::AUTHORIZATION;
use http::{HeaderValue, Request, StatusCode};
use signalhub_protocol::{HandshakeRequest, HandshakeResponse, Protocol};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

/// The time limit for the whole connect: name resolution, TCP, WebSocket and handshake.
const TIMEOUT: Duration = Duration::from_secs(15);

/// The protocol version that the client requests (HubProtocol, Overview).
const VERSION: i32 = 1;

/// A WebSocket after the hub handshake, and the bytes that were read after the handshake response.
pub(crate) struct Connected<S> {
    pub(crate) socket: WebSocketStream<S>,
    pub(crate) rest: Vec<u8>,
}

/// Why a connection could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The URL cannot be used.
    #[error("\"{0}\" is no URL of a hub: expected one such as \"http://127.0.0.1:3000/hub\"")]
    Url(String),
    /// The URL asks for TLS.
    #[error("TLS is not supported: give an http:// or ws:// URL")]
    Tls,
    /// The token has characters that a header cannot have. The error does not contain the token, so that it is not logged.
    #[error("the token has characters that are not allowed in a header")]
    Token,
    /// The server requires credentials, or rejected those that were sent.
    #[error("the server does not accept the credentials (401)")]
    Unauthorized,
    /// The server answered the upgrade request with another status than 101.
    #[error("the server answered with status {0} instead of a WebSocket")]
    Refused(StatusCode),
    /// The server could not be reached.
    #[error("the server could not be reached: {0}")]
    Unreachable(#[source] io::Error),
    /// The peer does not speak WebSocket, or the connection broke during the handshake.
    #[error("the connection broke: {0}")]
    Broken(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The hub refused the handshake.
    #[error("the hub refused the handshake: {0}")]
    Handshake(String),
    /// The server took too long.
    #[error("the server did not answer within {} s", TIMEOUT.as_secs())]
    TimedOut,
}

/// Opens a WebSocket to the hub and performs the handshake.
pub(crate) async fn connect(
    url: &str,
    token: Option<&str>,
) -> Result<Connected<MaybeTlsStream<TcpStream>>, ConnectError> {
    let request = request(url, token)?;
    let connecting = async {
        let (socket, _) = connect_async_with_config(request, None, true).await.map_err(broken)?;
        shake_hands(socket).await
    };
    tokio::time::timeout(TIMEOUT, connecting).await.map_err(|_| ConnectError::TimedOut)?
}

/// Sends the handshake request and waits for the hub's response.
pub(crate) async fn shake_hands<S: AsyncRead + AsyncWrite + Unpin>(
    mut socket: WebSocketStream<S>,
) -> Result<Connected<S>, ConnectError> {
    let mut hello = Vec::new();
    HandshakeRequest::new(Protocol::Json, VERSION).encode(&mut hello);
    let hello = String::from_utf8(hello).map_err(|error| ConnectError::Broken(error.into()))?;
    socket.send(Message::text(hello)).await.map_err(broken)?;
    let mut input = Vec::new();
    loop {
        match HandshakeResponse::parse(&input).map_err(|error| ConnectError::Broken(error.into()))? {
            Some((HandshakeResponse { error: Some(error) }, _)) => return Err(ConnectError::Handshake(error)),
            Some((HandshakeResponse { error: None }, consumed)) => {
                let rest = input.split_off(consumed);
                return Ok(Connected { socket, rest });
            }
            None => {}
        }
        match socket.next().await {
            Some(Ok(Message::Text(text))) => input.extend_from_slice(text.as_bytes()),
            Some(Ok(Message::Binary(bytes))) => input.extend_from_slice(&bytes),
            Some(Ok(Message::Close(_))) | None => return Err(broken(tungstenite::Error::ConnectionClosed)),
            Some(Ok(_)) => {}
            Some(Err(error)) => return Err(broken(error)),
        }
    }
}

fn request(url: &str, token: Option<&str>) -> Result<Request<()>, ConnectError> {
    let wrong = || ConnectError::Url(url.to_owned());
    let (scheme, rest) = url.split_once("://").ok_or_else(wrong)?;
    match scheme {
        "http" | "ws" => {}
        "https" | "wss" => return Err(ConnectError::Tls),
        _ => return Err(wrong()),
    }
    let mut request = format!("ws://{rest}").into_client_request().map_err(|_| wrong())?;
    if request.uri().host().is_none_or(str::is_empty) {
        return Err(wrong());
    }
    if let Some(token) = token {
        let mut header = HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| ConnectError::Token)?;
        header.set_sensitive(true);
        request.headers_mut().insert(AUTHORIZATION, header);
    }
    Ok(request)
}

fn broken(error: tungstenite::Error) -> ConnectError {
    match error {
        tungstenite::Error::Http(response) => match response.status() {
            StatusCode::UNAUTHORIZED => ConnectError::Unauthorized,
            status => ConnectError::Refused(status),
        },
        tungstenite::Error::Io(error) => ConnectError::Unreachable(error),
        other => ConnectError::Broken(other.into()),
    }
}
