//! The body of a response: one piece, or a stream of events.

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Frame, SizeHint};

use crate::events::EventStream;
use crate::pace::Busy;

/// The body of a response.
///
/// Applications make one from text or bytes.
pub struct Body {
    kind: Kind,
    /// Tells when it was sent or dropped.
    busy: Option<Busy>,
}

enum Kind {
    Whole(Full<Bytes>),
    Events(EventStream),
}

impl Body {
    pub(crate) fn events(stream: EventStream) -> Self {
        Kind::Events(stream).into_body()
    }

    /// Keeps something until the body was sent or dropped.
    pub(crate) fn keeping(mut self, busy: Busy) -> Self {
        self.busy = Some(busy);
        self
    }
}

impl Kind {
    fn into_body(self) -> Body {
        Body { kind: self, busy: None }
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
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        match &mut self.kind {
            Kind::Whole(whole) => Pin::new(whole).poll_frame(cx),
            Kind::Events(events) => events.poll_next(cx).map(|chunk| chunk.map(|chunk| Ok(Frame::data(chunk)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Whole(whole) => whole.is_end_stream(),
            Kind::Events(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Whole(whole) => whole.size_hint(),
            Kind::Events(_) => SizeHint::default(),
        }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Whole(whole) => whole.fmt(f),
            Kind::Events(_) => f.write_str("Events"),
        }
    }
}
