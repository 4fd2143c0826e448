//! The spans of fan-outs: one for each event, never one for each delivery.

use opentelemetry::KeyValue;
use opentelemetry::trace::{Span as _, SpanBuilder, SpanKind};
use opentelemetry_sdk::trace::{SdkTracer, Span};
use signalhub::events::{Event, FanOutSpan, FanOutTracer, Position};

use super::parent;

#[derive(Debug)]
pub(super) struct FanOutSpans(SdkTracer);

impl FanOutSpans {
    pub(super) fn new(tracer: SdkTracer) -> Self {
        Self(tracer)
    }
}

impl FanOutTracer for FanOutSpans {
    fn begin(&self, event: &Event, position: Position, matched: usize) -> Box<dyn FanOutSpan> {
        let builder = SpanBuilder::from_name(format!("fan_out {}", event.name)).with_kind(SpanKind::Internal);
        let mut span = builder.start_with_context(&self.0, &parent(event.trace, None));
        span.set_attribute(KeyValue::new("signalhub.matched", i64::try_from(matched).unwrap_or(i64::MAX)));
        span.set_attribute(KeyValue::new("signalhub.position", position.to_string()));
        Box::new(Recorded(span))
    }
}

struct Recorded(Span);

impl FanOutSpan for Recorded {
    fn first_write(&mut self) {
        self.0.add_event("first_write", Vec::new());
    }

    fn last_write(&mut self) {
        self.0.add_event("last_write", Vec::new());
    }
}
