//! `GET /admin/api/v1/events/tail`: the events as they are published, as `text/event-stream`.

use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, stream};
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response};
use serde_json::json;
use signalhub::connections::Body;
use signalhub::events::{EventName, Organisation, Tail, TailFilter, Tailed};

use super::call::{Answer, Call};
use super::operated::Operated;
use super::parameters::{Given, invalid};
use super::shown_event::{Payloads, ShownEvent};
use crate::http_api::problem::{Problem, ProblemCode};
use crate::lifecycle::Lifecycle;

const PARAMETERS: [&str; 4] = ["event", "organisation", "user", "sample"];

/// How often a quiet stream gets a comment, which finds out whether its client is still there.
const COMMENT_INTERVAL: Duration = Duration::from_secs(15);

/// Opens a tail. It ends when its client is gone, or does not read, or the server stops.
pub(super) async fn tail(operated: Arc<Operated>, call: Call) -> Answer {
    let filter = filter(&call)?;
    let Some(tail) = operated.broker.tail(filter) else {
        return Err(Problem::new(ProblemCode::TooManyTails, "10 tails are open, and no more are possible"));
    };
    let payloads = Payloads::of(&operated.configuration);
    let lines = Lines { tail, payloads, lifecycle: operated.lifecycle.clone() };
    // The first bytes tell the client at once that the tail is open.
    let opened = stream::once(async { Bytes::from_static(b": open\n\n") });
    let events = stream::unfold(lines, async |mut lines| Some((lines.next().await?, lines)));
    let mut response = Response::new(Body::streamed(opened.chain(events)));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    Ok(response)
}

fn filter(call: &Call) -> Result<TailFilter, Problem> {
    let given = Given::read(call, &PARAMETERS)?;
    let name = |name: &'static str| given.value(name);
    let sample = match given.value("sample")? {
        None => NonZeroU64::MIN,
        Some(sample) => sample.parse().map_err(|_| invalid("sample: expected a whole number from 1"))?,
    };
    Ok(TailFilter {
        event: name("event")?.map(EventName::new),
        organisation: name("organisation")?.map(Organisation::new),
        user: name("user")?.map(str::to_owned),
        sample,
    })
}

/// Writes what a tail gets.
struct Lines {
    tail: Tail,
    payloads: Payloads,
    lifecycle: Lifecycle,
}

impl Lines {
    /// The next part of the stream; `None` when the server stops.
    async fn next(&mut self) -> Option<Bytes> {
        tokio::select! {
            () = self.lifecycle.draining() => None,
            tailed = self.tail.next() => Some(match tailed {
                Tailed::Event(tailed) => sse(None, &ShownEvent::tailed(&tailed, self.payloads)),
                Tailed::Dropped(dropped) => sse(Some("dropped"), &json!({"dropped": dropped})),
            }),
            () = tokio::time::sleep(COMMENT_INTERVAL) => Some(Bytes::from_static(b":\n\n")),
        }
    }
}

/// Writes an event of a stream. JSON of publishers may have line breaks between its values; each line gets a field of its own, which the
/// client joins again (HTML standard, section 9.2.6).
fn sse(name: Option<&str>, data: &impl serde::Serialize) -> Bytes {
    let json = serde_json::to_string(data).expect("numbers and texts always serialise");
    let mut event = BytesMut::new();
    if let Some(name) = name {
        event.extend_from_slice(format!("event: {name}\n").as_bytes());
    }
    for line in json.split(['\r', '\n']) {
        event.extend_from_slice(format!("data: {line}\n").as_bytes());
    }
    event.extend_from_slice(b"\n");
    event.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_can_end_a_field_of_the_stream() {
        let raw = |json: &str| serde_json::from_str::<Box<serde_json::value::RawValue>>(json).unwrap();
        for (json, expected) in [
            (raw("{\"a\":1,\n\"b\":2}"), "data: {\"a\":1,\ndata: \"b\":2}\n\n"),
            (raw("[\r\n1\r]"), "data: [\ndata: \ndata: 1\ndata: ]\n\n"),
            (raw("\"\\n\\ndata: x\""), "data: \"\\n\\ndata: x\"\n\n"),
        ] {
            assert_eq!(sse(None, &json), expected);
        }
        assert_eq!(sse(Some("dropped"), &json!({"dropped": 3})), "event: dropped\ndata: {\"dropped\":3}\n\n");
        assert_eq!(sse(None, &"a\nevent: x\u{2028}<b>"), "data: \"a\\nevent: x\u{2028}<b>\"\n\n");
    }
}
