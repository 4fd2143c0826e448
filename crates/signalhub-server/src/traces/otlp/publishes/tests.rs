use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::Request;
use opentelemetry::Context;
use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData, SpanProcessor};
use signalhub::events::{SpanId, TraceId};

use super::super::{LONGEST_STATE, LONGEST_TEXT};
use super::*;

/// Keeps the spans that have ended.
#[derive(Clone, Debug, Default)]
struct Ended(Arc<Mutex<Vec<SpanData>>>);

impl SpanProcessor for Ended {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        self.0.lock().unwrap().push(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

/// The spans of a request with one CloudEvent of these texts: its own, and that of the event.
fn spans(event: &str, source: &str, id: &str, state: &str) -> [SpanData; 2] {
    let ended = Ended::default();
    let provider = SdkTracerProvider::builder().with_span_processor(ended.clone()).build();
    let (head, ()) = Request::post("/api/v1/publish").header("tracestate", state).body(()).unwrap().into_parts();
    let caller = TraceParent { trace_id: TraceId([1; 16]), span_id: SpanId([2; 8]), sampled: Sampled::Yes };
    let mut request = RequestSpan::begin(Some(&provider.tracer("test")), &head, Some(caller));
    let start = ItemStart { event, own: Some(caller), trace_state: Some(state), cloud_event: Some((source, id)) };
    request.item(&start).end(|| ItemEnd::Refused("unknown_event"));
    request.end(StatusCode::BAD_REQUEST);
    let mut spans = std::mem::take(&mut *ended.0.lock().unwrap());
    assert_eq!(spans.len(), 2);
    let (request, item) = (spans.pop().unwrap(), spans.pop().unwrap());
    [request, item]
}

#[test]
fn texts_of_publishers_are_cut_at_a_character() {
    // The 256th byte is within a character.
    let long = format!("x{}", "\u{e9}".repeat(100_000));
    for span in spans(&long, &long, &long, "a=1") {
        assert_eq!(span.name.len(), "publish ".len() + LONGEST_TEXT - 1);
        for KeyValue { key, value, .. } in &span.attributes {
            assert!(value.as_str().len() <= LONGEST_TEXT, "{key}");
        }
    }
    let [_, item] = spans("job.done", "/printers/1", "7", "a=1");
    let value = |name: &str| item.attributes.iter().find(|known| known.key.as_str() == name).unwrap().value.to_string();
    let names =
        ["messaging.destination.name", "cloudevents.event_type", "cloudevents.event_source", "cloudevents.event_id"];
    assert_eq!(names.map(value), ["job.done", "job.done", "/printers/1", "7"]);
}

#[test]
fn a_state_of_more_than_512_characters_is_left_out() {
    let state = |length: usize| {
        let state = (0..2).map(|n| format!("k{n}={}", "x".repeat(length / 2 - 4))).collect::<Vec<_>>().join(",");
        format!("{state}{}", "x".repeat(length - state.len()))
    };
    for (length, kept) in [(LONGEST_STATE, LONGEST_STATE), (LONGEST_STATE + 1, 0), (100_000, 0)] {
        assert_eq!(state(length).len(), length);
        for span in spans("job.done", "/", "7", &state(length)) {
            assert_eq!(span.span_context.trace_state().header().len(), kept, "{length}");
        }
    }
}
