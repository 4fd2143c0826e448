//! The body of a response: one piece, or a stream of events.

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Frame, SizeHint};

use crate::events::EventStream;

/// The body of a response.
///
/// Applications make one from text or bytes.
pub struct Body(Kind);

enum Kind {
    Whole(Full<Bytes>),
    Events(EventStream),
}

impl Body {
    pub(crate) fn events(stream: EventStream) -> Self {
        Self(Kind::Events(stream))
    }
}

impl Default for Body {
    fn default() -> Self {
        Self(Kind::Whole(Full::default()))
    }
}

impl<T: Into<Bytes>> From<T> for Body {
    fn from(content: T) -> Self {
        Self(Kind::Whole(Full::new(content.into())))
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        match &mut self.0 {
            Kind::Whole(whole) => Pin::new(whole).poll_frame(cx),
            Kind::Events(events) => events.poll_next(cx).map(|chunk| chunk.map(|chunk| Ok(Frame::data(chunk)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Whole(whole) => whole.is_end_stream(),
            Kind::Events(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Whole(whole) => whole.size_hint(),
            Kind::Events(_) => SizeHint::default(),
        }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Whole(whole) => whole.fmt(f),
            Kind::Events(_) => f.write_str("Events"),
        }
    }
}
