//! Opens a connection: first the WebSocket, then the hub handshake.

use std::io;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use http::header::AUTHORIZATION;
use http::{HeaderValue, Request, StatusCode, Uri};
use signalhub_protocol::{HandshakeRequest, HandshakeResponse, Protocol};
use signalhub_tls_client::{TlsClient, TlsProblem};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

/// The time limit for the whole connect: name resolution, TCP, WebSocket and handshake.
const TIMEOUT: Duration = Duration::from_secs(15);

/// The protocol version that the client requests (HubProtocol, Overview).
const VERSION: i32 = 1;

/// A WebSocket after the hub handshake, and the bytes that were read after the handshake response.
pub(crate) struct Connected<S> {
    pub(crate) socket: WebSocketStream<S>,
    pub(crate) rest: Vec<u8>,
}

/// A plain socket, or TLS over one.
pub(crate) trait ByteStream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> ByteStream for S {}

/// Why a connection could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The URL cannot be used. The error omits a user and a query, which may have a secret.
    #[error("\"{0}\" is no URL of a hub: expected one such as \"http://127.0.0.1:3000/hub\"")]
    Url(String),
    /// The server cannot be trusted, or does not speak TLS. Nothing was sent to it.
    #[error(transparent)]
    Tls(#[from] TlsProblem),
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

/// Opens a WebSocket to the hub and performs the handshake. Without `tls`, the authorities of the system are trusted.
pub(crate) async fn connect(
    url: &str,
    token: Option<&str>,
    tls: Option<&TlsClient>,
) -> Result<Connected<Box<dyn ByteStream>>, ConnectError> {
    let (request, security) = request(url, token)?;
    let connecting = async {
        let stream = open(request.uri(), security, tls).await?;
        let (socket, _) = client_async(request, stream).await.map_err(broken)?;
        shake_hands(socket).await
    };
    tokio::time::timeout(TIMEOUT, connecting).await.map_err(|_| ConnectError::TimedOut)?
}

async fn open(uri: &Uri, security: Security, tls: Option<&TlsClient>) -> Result<Box<dyn ByteStream>, ConnectError> {
    let host = uri.host().unwrap_or_default();
    let port = uri.port_u16().unwrap_or(security.default_port());
    let socket = TcpStream::connect((host.trim_matches(['[', ']']), port)).await.map_err(ConnectError::Unreachable)?;
    // Each message is one write, which should not wait for the acknowledgement of the one before.
    socket.set_nodelay(true).map_err(ConnectError::Unreachable)?;
    if let Security::Plain = security {
        return Ok(Box::new(socket));
    }
    let tls = tls.cloned().unwrap_or_else(TlsClient::with_system_roots);
    let stream = tls.connect(host, socket).await.map_err(|error| match TlsProblem::of(&error) {
        Some(problem) => ConnectError::Tls(problem),
        None => ConnectError::Unreachable(error),
    })?;
    Ok(Box::new(stream))
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

/// Whether the connection is encrypted.
#[derive(Clone, Copy)]
enum Security {
    Plain,
    Tls,
}

impl Security {
    fn default_port(self) -> u16 {
        match self {
            Self::Plain => 80,
            Self::Tls => 443,
        }
    }
}

fn request(url: &str, token: Option<&str>) -> Result<(Request<()>, Security), ConnectError> {
    let wrong = || ConnectError::Url(without_secrets(url));
    let (scheme, rest) = url.split_once("://").ok_or_else(wrong)?;
    let (scheme, security) = match scheme {
        "http" | "ws" => ("ws", Security::Plain),
        "https" | "wss" => ("wss", Security::Tls),
        _ => return Err(wrong()),
    };
    let mut request = format!("{scheme}://{rest}").into_client_request().map_err(|_| wrong())?;
    if request.uri().host().is_none_or(str::is_empty) {
        return Err(wrong());
    }
    if let Some(token) = token {
        let mut header = HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| ConnectError::Token)?;
        header.set_sensitive(true);
        request.headers_mut().insert(AUTHORIZATION, header);
    }
    Ok((request, security))
}

/// Returns a URL without its query and without what is before an `@`, which may be a password.
fn without_secrets(url: &str) -> String {
    let path = url.split('?').next().unwrap_or_default();
    match (path.split_once("://"), path.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://{host}"),
        (None, Some((_, host))) => host.to_owned(),
        (_, None) => path.to_owned(),
    }
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
