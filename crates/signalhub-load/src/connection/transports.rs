//! How bytes travel: a WebSocket, an event stream with POSTs, or polls with POSTs.

use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{FutureExt, SinkExt, StreamExt};
use http::header::{ACCEPT, CONNECTION, HeaderMap, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY};
use http::header::{SEC_WEBSOCKET_VERSION, UPGRADE};
use http::{Method, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use signalhub_protocol::TransferFormat;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{self, Message, Utf8Bytes};

use super::event_stream::EventStream;
use super::negotiation::Address;
use super::{ConnectionError, Hub};
use crate::http::{self as requests, Http, HttpError};
use crate::plan::Transport;

/// The time limit for sending. A server that takes nothing for this long counts as lost.
const SEND_TIMEOUT: Duration = Duration::from_secs(30);

/// How much is read from a WebSocket at once. Thousands of connections share the memory of this process.
const READ_BUFFER: usize = 8 * 1024;

/// A request that waits for messages.
type Poll = Pin<Box<dyn Future<Output = Result<Bytes, ConnectionError>> + Send>>;

type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// Where bytes of the server come from.
pub(crate) enum Reader {
    WebSocket(SplitStream<Socket>),
    EventStream(Incoming, EventStream),
    Polls(Box<Polls>),
}

/// Where bytes to the server go.
pub(crate) enum Writer {
    WebSocket(SplitSink<Socket, Message>, TransferFormat),
    Posts(Box<Posts>),
}

/// Requests that carry messages to the server.
pub(crate) struct Posts {
    http: Http,
    url: String,
    headers: HeaderMap,
}

/// Requests that wait for messages of the server, one after another.
pub(crate) struct Polls {
    posts: Posts,
    /// The request that waits. It is kept here, so that a wait for it can be given up and taken up again.
    waiting: Option<Poll>,
}

/// Opens the transport of a hub at an address.
pub(super) async fn open(hub: &Hub, address: Address) -> Result<(Reader, Writer), ConnectionError> {
    let headers = requests::authorization(address.token.as_deref())?;
    let posts = || Posts { http: hub.http.clone(), url: address.url.clone(), headers: headers.clone() };
    let writer = || Writer::Posts(Box::new(posts()));
    match hub.transport {
        Transport::WebSockets | Transport::WebSocketsAlone => {
            let socket = upgrade(&hub.http, &address.url, headers.clone()).await?;
            let (sink, stream) = socket.split();
            Ok((Reader::WebSocket(stream), Writer::WebSocket(sink, hub.protocol.transfer_format())))
        }
        Transport::ServerSentEvents => {
            let mut headers = headers.clone();
            headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
            let request = requests::request(Method::GET, &address.url, &headers, Bytes::new())?;
            let response = hub.http.send(request).await?;
            Ok((Reader::EventStream(response.into_body(), EventStream::default()), writer()))
        }
        Transport::LongPolling => {
            // The first poll only opens the transport.
            poll(&hub.http, &address.url, &headers).await?;
            Ok((Reader::Polls(Box::new(Polls { posts: posts(), waiting: None })), writer()))
        }
    }
}

async fn upgrade(http: &Http, url: &str, mut headers: HeaderMap) -> Result<Socket, ConnectionError> {
    let key = generate_key();
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    let value = HeaderValue::from_str(&key).map_err(|error| ConnectionError::Lost(error.to_string()))?;
    headers.insert(SEC_WEBSOCKET_KEY, value);
    let response = http.send(requests::request(Method::GET, url, &headers, Bytes::new())?).await?;
    let accepted = response.headers().get(SEC_WEBSOCKET_ACCEPT).map(HeaderValue::as_bytes);
    if response.status() != StatusCode::SWITCHING_PROTOCOLS
        || accepted != Some(derive_accept_key(key.as_bytes()).as_bytes())
    {
        return Err(ConnectionError::Lost("the server did not answer with a WebSocket".to_owned()));
    }
    let stream = hyper::upgrade::on(response).await.map_err(|error| ConnectionError::Lost(requests::root(&error)))?;
    let config = WebSocketConfig::default().read_buffer_size(READ_BUFFER).write_buffer_size(0);
    Ok(WebSocketStream::from_raw_socket(TokioIo::new(stream), Role::Client, Some(config)).await)
}

/// Waits for the next messages; none may come, when the server ends the wait.
async fn poll(http: &Http, url: &str, headers: &HeaderMap) -> Result<Bytes, ConnectionError> {
    let response = http.send(requests::request(Method::GET, url, headers, Bytes::new())?).await?;
    if response.status() == StatusCode::NO_CONTENT {
        return Err(ConnectionError::Ended(None));
    }
    Ok(requests::whole(response).await?)
}

impl Reader {
    /// Waits for the next bytes of messages, of which there may be none. A wait that is given up loses nothing.
    pub(crate) async fn receive(&mut self) -> Result<Bytes, ConnectionError> {
        match self {
            Self::WebSocket(stream) => match stream.next().await {
                Some(Ok(Message::Text(text))) => Ok(text.into()),
                Some(Ok(Message::Binary(bytes))) => Ok(bytes),
                Some(Ok(Message::Close(frame))) => Err(ConnectionError::Ended(
                    frame.map(|frame| format!("close code {} {}", frame.code, frame.reason).trim().to_owned()),
                )),
                Some(Ok(_)) => Ok(Bytes::new()),
                Some(Err(error)) => Err(lost(error)),
                None => Err(ConnectionError::Ended(None)),
            },
            Self::EventStream(body, events) => match body.frame().await {
                Some(Ok(frame)) => Ok(frame.data_ref().map(|data| events.feed(data)).unwrap_or_default().into()),
                Some(Err(error)) => Err(ConnectionError::Lost(requests::root(&error))),
                None => Err(ConnectionError::Ended(None)),
            },
            Self::Polls(polls) => {
                let Polls { posts, waiting } = &mut **polls;
                let Posts { http, url, headers } = posts;
                let poll = waiting.get_or_insert_with(|| {
                    let (http, url, headers) = (http.clone(), url.clone(), headers.clone());
                    async move { poll(&http, &url, &headers).await }.boxed()
                });
                let answer = poll.await;
                *waiting = None;
                answer
            }
        }
    }
}

impl Writer {
    /// Sends messages, and waits until the socket or the server has taken them.
    pub(crate) async fn send(&mut self, messages: Bytes) -> Result<(), ConnectionError> {
        match self {
            Self::WebSocket(sink, format) => {
                let message = match format {
                    TransferFormat::Binary => Message::Binary(messages),
                    TransferFormat::Text => {
                        let text = Utf8Bytes::try_from(messages);
                        Message::Text(text.map_err(|error| ConnectionError::Lost(error.to_string()))?)
                    }
                };
                let sent = timeout(SEND_TIMEOUT, sink.send(message)).await;
                sent.map_err(|_| ConnectionError::Http(HttpError::TimedOut(SEND_TIMEOUT)))?.map_err(lost)
            }
            Self::Posts(posts) => {
                let Posts { http, url, headers } = &**posts;
                http.post(url, headers, messages, SEND_TIMEOUT).await?;
                Ok(())
            }
        }
    }

    /// Ends the connection in order. A server that does not take it is left alone.
    pub(crate) async fn close(self, reader: Reader) {
        const LIMIT: Duration = Duration::from_secs(1);
        match (self, reader) {
            (Self::WebSocket(mut sink, _), _) => drop(timeout(LIMIT, sink.close()).await),
            (Self::Posts(posts), Reader::Polls(_)) => {
                let Posts { http, url, headers } = *posts;
                if let Ok(request) = requests::request(Method::DELETE, &url, &headers, Bytes::new()) {
                    drop(timeout(LIMIT, http.send(request)).await);
                }
            }
            // An event stream ends with its request.
            (Self::Posts(_), reader) => drop(reader),
        }
    }
}

fn lost(error: tungstenite::Error) -> ConnectionError {
    match error {
        tungstenite::Error::ConnectionClosed | tungstenite::Error::AlreadyClosed => ConnectionError::Ended(None),
        error => ConnectionError::Lost(requests::root(&error)),
    }
}
