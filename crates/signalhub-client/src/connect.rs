//! How a connection comes about: the WebSocket, then the handshake.

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

/// The whole way from the name of the host to the end of the handshake takes no longer than this.
const TIMEOUT: Duration = Duration::from_secs(15);

/// The version of the protocol that is asked for (HubProtocol, Overview).
const VERSION: i32 = 1;

/// A WebSocket whose handshake is done, and what was read beyond it.
pub(crate) struct Connected<S> {
    pub(crate) socket: WebSocketStream<S>,
    pub(crate) rest: Vec<u8>,
}

/// Tells why a connection did not come about.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The URL cannot be used.
    #[error("\"{0}\" is no URL of a hub: expected one such as \"http://127.0.0.1:3000/hub\"")]
    Url(String),
    /// The URL asks for TLS.
    #[error("TLS is not supported: give an http:// or ws:// URL")]
    Tls,
    /// The token cannot stand in a header. Its text is left out on purpose.
    #[error("the token holds characters that cannot stand in a header")]
    Token,
    /// The server wants credentials, or does not accept those it got.
    #[error("the server does not accept the credentials (401)")]
    Unauthorized,
    /// The server answered with something else than a WebSocket.
    #[error("the server answered with status {0} instead of a WebSocket")]
    Refused(StatusCode),
    /// The server could not be reached.
    #[error("the server could not be reached: {0}")]
    Unreachable(#[source] io::Error),
    /// What answered speaks no WebSocket, or the connection broke during the handshake.
    #[error("the connection broke: {0}")]
    Broken(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The hub refused the handshake.
    #[error("the hub refused the handshake: {0}")]
    Handshake(String),
    /// The server took too long.
    #[error("the server did not answer within {} s", TIMEOUT.as_secs())]
    TimedOut,
}

/// Connects a WebSocket to the hub and shakes hands.
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

/// Sends the handshake and waits for the hub's agreement.
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
