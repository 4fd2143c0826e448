//! The body of a response: bytes, a stream of them, an event stream of a connection, or the WebSocket that the socket becomes.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::Stream;
use http_body_util::Full;
use hyper::body::{Frame, Incoming, SizeHint};
use tokio::time::Sleep;

use crate::close::{ARRIVAL_TIME, CloseReason};
use crate::http::request_timeouts::Busy;
use crate::limits::socket_quotas::SocketShare;
use crate::outbound::SendQueue;
use crate::transport::io::Io;
use crate::transport::long_polling::Present;
use crate::transport::server_sent_events::EventStream;

/// The body of a response: bytes of an application, or the messages of a connection.
///
/// Applications make one from text or bytes, with `From`.
pub struct Body {
    kind: Kind,
    /// The connection whose messages it contains.
    source: Option<Source>,
    /// Marks the request as unfinished until this body is dropped.
    busy: Option<Busy>,
    /// The socket's share in the quota of the client that sent the request.
    share: Option<SocketShare>,
}

struct Source {
    send_queue: Arc<SendQueue>,
    present: Option<Present>,
}

enum Kind {
    Whole(Full<Bytes>),
    /// What an application sends bit by bit.
    Streamed(Pin<Box<dyn Stream<Item = Bytes> + Send>>),
    Events(EventStream),
    /// What another node answers, until this one stops.
    Relayed {
        answer: Incoming,
        stopping: Pin<Box<dyn Future<Output = ()> + Send>>,
    },
    /// An event stream of a server that stops, while its last messages arrive.
    Stopping(Pin<Box<Sleep>>),
    Socket(Accept),
}

/// Receives the socket of an upgraded request, and the bytes that the client has sent after the request.
pub(crate) type Accept = Box<dyn FnOnce(Io, Vec<u8>) + Send>;

/// A body that is written to the socket directly, instead of by hyper.
pub(crate) enum Takeover {
    Events(EventStream),
    Socket(Accept),
}

impl Body {
    /// Makes a body of what a stream yields, until it ends. The stream is polled only when there is room for more, and it is dropped
    /// when the client is gone. A client that reads nothing for the [send timeout](crate::Limits::send_timeout) is disconnected.
    pub fn streamed(stream: impl Stream<Item = Bytes> + Send + 'static) -> Self {
        Kind::Streamed(Box::pin(stream)).into_body()
    }

    pub(crate) fn events(stream: EventStream) -> Self {
        let send_queue = Arc::clone(stream.send_queue());
        Self { source: Some(Source { send_queue, present: None }), ..Kind::Events(stream).into_body() }
    }

    /// The body of the response to a poll. The client counts as present until the body has been sent or dropped.
    pub(crate) fn messages(data: Bytes, present: Present) -> Self {
        let send_queue = Arc::clone(present.send_queue());
        Self { source: Some(Source { send_queue, present: Some(present) }), ..Self::from(data) }
    }

    /// The body of an answer of another node. It breaks off when this one stops, so that the client connects again.
    pub(crate) fn relayed(answer: Incoming, stopping: Pin<Box<dyn Future<Output = ()> + Send>>) -> Self {
        Kind::Relayed { answer, stopping }.into_body()
    }

    /// The body of an upgrade.
    pub(crate) fn socket(accept: Accept) -> Self {
        Kind::Socket(accept).into_body()
    }

    /// Takes the content if it is written to the socket directly, instead of by hyper.
    pub(crate) fn take_over(&mut self) -> Option<Takeover> {
        match std::mem::replace(&mut self.kind, Kind::Whole(Full::default())) {
            Kind::Events(events) => Some(Takeover::Events(events)),
            Kind::Socket(accept) => Some(Takeover::Socket(accept)),
            other @ (Kind::Whole(_) | Kind::Streamed(_) | Kind::Relayed { .. } | Kind::Stopping(_)) => {
                self.kind = other;
                None
            }
        }
    }

    /// Takes the function that receives the socket, if this is the body of an upgrade.
    #[cfg(feature = "tower")]
    pub(crate) fn take_socket(&mut self) -> Option<Accept> {
        match self.take_over()? {
            Takeover::Socket(accept) => Some(accept),
            Takeover::Events(events) => {
                self.kind = Kind::Events(events);
                None
            }
        }
    }

    /// Keeps the request unfinished until the body has been sent or dropped.
    pub(crate) fn keeping(mut self, busy: Busy) -> Self {
        if let Some(Source { send_queue, present }) = self.source.take() {
            busy.answers(&send_queue, present);
        }
        self.busy = Some(busy);
        self
    }

    /// Counts the socket for a client until the body has been sent or dropped.
    pub(crate) fn keep_share(&mut self, share: SocketShare) {
        self.share = Some(share);
    }

    /// Takes the socket's share in the quota of the client.
    pub(crate) fn take_share(&mut self) -> Option<SocketShare> {
        self.share.take()
    }
}

impl Kind {
    fn into_body(self) -> Body {
        Body { kind: self, source: None, busy: None, share: None }
    }
}

impl Default for Body {
    fn default() -> Self {
        Kind::Whole(Full::default()).into_body()
    }
}

impl<T: Into<Bytes>> From<T> for Body {
    fn from(content: T) -> Self {
        Kind::Whole(Full::new(content.into())).into_body()
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        loop {
            match &mut self.kind {
                Kind::Whole(whole) => return Pin::new(whole).poll_frame(cx).map_err(|never| match never {}),
                Kind::Streamed(stream) => {
                    return Poll::Ready(ready!(stream.as_mut().poll_next(cx)).map(|bytes| Ok(Frame::data(bytes))));
                }
                Kind::Events(events) => match ready!(events.poll_next(cx)) {
                    None if events.send_queue().ended() == Some(CloseReason::ServerShutdown) => {}
                    event => return Poll::Ready(event.map(|event| Ok(Frame::data(event)))),
                },
                Kind::Relayed { answer, stopping } => {
                    if let Poll::Ready(frame) = Pin::new(answer).poll_frame(cx) {
                        return Poll::Ready(frame.map(|frame| frame.map_err(io::Error::other)));
                    }
                    ready!(stopping.as_mut().poll(cx));
                    let error = io::Error::new(io::ErrorKind::ConnectionReset, "the server stops");
                    return Poll::Ready(Some(Err(error)));
                }
                // After an orderly end, some clients reconnect only once, while the server is still down, and give up.
                Kind::Stopping(time) => {
                    ready!(time.as_mut().poll(cx));
                    let error = io::Error::new(io::ErrorKind::ConnectionReset, "the server stops");
                    return Poll::Ready(Some(Err(error)));
                }
                Kind::Socket(_) => return Poll::Ready(None),
            }
            self.kind = Kind::Stopping(Box::pin(tokio::time::sleep(ARRIVAL_TIME)));
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Whole(whole) => whole.is_end_stream(),
            Kind::Relayed { answer, .. } => answer.is_end_stream(),
            Kind::Streamed(_) | Kind::Events(_) | Kind::Stopping(_) => false,
            Kind::Socket(_) => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Whole(whole) => whole.size_hint(),
            Kind::Relayed { answer, .. } => answer.size_hint(),
            Kind::Streamed(_) | Kind::Events(_) | Kind::Stopping(_) => SizeHint::default(),
            Kind::Socket(_) => SizeHint::with_exact(0),
        }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Whole(whole) => whole.fmt(f),
            Kind::Streamed(_) => f.write_str("Streamed"),
            Kind::Relayed { .. } => f.write_str("Relayed"),
            Kind::Events(_) | Kind::Stopping(_) => f.write_str("Events"),
            Kind::Socket(_) => f.write_str("Socket"),
        }
    }
}
