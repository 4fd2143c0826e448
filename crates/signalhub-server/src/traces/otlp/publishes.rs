//! The spans of publishes: one for each request, and in it one for each notification.

use http::StatusCode;
use http::request::Parts;
use opentelemetry::KeyValue;
use opentelemetry::trace::{Span as _, SpanBuilder, SpanKind, Status};
use opentelemetry_sdk::trace::{SdkTracer, Span};
use signalhub::events::{Sampled, TraceParent};

use super::super::{ItemEnd, ItemStart};
use super::{cut, parent, trace_parent};

/// The span of a request to publish.
#[derive(Debug)]
pub(crate) struct RequestSpan(Option<Request>);

#[derive(Debug)]
struct Request {
    tracer: SdkTracer,
    span: Span,
    content: Content,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Content {
    One,
    Batch,
}

impl RequestSpan {
    pub(super) fn begin(tracer: Option<&SdkTracer>, head: &Parts, caller: Option<TraceParent>) -> Self {
        let Some(tracer) = tracer else { return Self(None) };
        let builder = SpanBuilder::from_name("publish").with_kind(SpanKind::Server);
        let state = head.headers.get("tracestate").and_then(|state| state.to_str().ok());
        let mut span = builder.start_with_context(tracer, &parent(caller, state));
        if span.is_recording() {
            span.set_attributes(messaging());
            span.set_attribute(KeyValue::new("http.request.method", cut(head.method.as_str()).to_owned()));
            span.set_attribute(KeyValue::new("url.path", cut(head.uri.path()).to_owned()));
        }
        Self(Some(Request { tracer: tracer.clone(), span, content: Content::One }))
    }

    /// The span as the parent of others, if it is recorded.
    pub(crate) fn trace_parent(&self) -> Option<TraceParent> {
        self.0.as_ref().and_then(|request| recorded(&request.span))
    }

    /// Says that the request has a batch.
    pub(crate) fn name_batch(&mut self, items: usize) {
        if let Some(Request { span, content, .. }) = &mut self.0 {
            *content = Content::Batch;
            span.set_attribute(KeyValue::new("messaging.batch.message_count", count(items)));
        }
    }

    /// Begins the span of a notification, within the trace that it names itself or else within this one.
    pub(crate) fn item(&mut self, start: &ItemStart<'_>) -> ItemSpan {
        let Some(Request { tracer, span: request, content }) = &mut self.0 else { return ItemSpan(None) };
        let ItemStart { event, own, trace_state, cloud_event } = start;
        // The name and the CloudEvent have not been checked yet, and may have any length.
        let event = cut(event);
        let parent = match own {
            Some(own) => parent(Some(*own), *trace_state),
            None => parent(Some(trace_parent(request.span_context())), None),
        };
        if *content == Content::One && request.is_recording() {
            request.update_name(format!("publish {event}"));
        }
        let builder = SpanBuilder::from_name(format!("publish {event}")).with_kind(SpanKind::Producer);
        let mut span = builder.start_with_context(tracer, &parent);
        if !span.is_recording() {
            return ItemSpan(None);
        }
        span.set_attributes(messaging());
        span.set_attribute(KeyValue::new("messaging.destination.name", event.to_owned()));
        if let Some((source, id)) = cloud_event {
            span.set_attribute(KeyValue::new("cloudevents.event_id", cut(id).to_owned()));
            span.set_attribute(KeyValue::new("cloudevents.event_source", cut(source).to_owned()));
            span.set_attribute(KeyValue::new("cloudevents.event_type", event.to_owned()));
        }
        ItemSpan(Some(span))
    }

    /// Ends it with the status of the answer.
    pub(crate) fn end(self, status: StatusCode) {
        let Some(Request { mut span, .. }) = self.0 else { return };
        span.set_attribute(KeyValue::new("http.response.status_code", i64::from(status.as_u16())));
        // An error of the client is none of the server (OpenTelemetry, HTTP spans, status).
        if status.is_server_error() {
            span.set_attribute(KeyValue::new("error.type", status.as_str().to_owned()));
            span.set_status(Status::error(""));
        }
    }
}

/// The span of a notification, if it is recorded.
#[derive(Debug)]
pub(crate) struct ItemSpan(Option<Span>);

impl ItemSpan {
    /// The span as the parent of others.
    pub(crate) fn trace_parent(&self) -> Option<TraceParent> {
        self.0.as_ref().and_then(recorded)
    }

    /// Ends it with what became of the notification.
    pub(crate) fn end(self, end: impl FnOnce() -> ItemEnd) {
        let Some(mut span) = self.0 else { return };
        match end() {
            ItemEnd::Published { id, position, matched } => {
                span.set_attribute(KeyValue::new("messaging.message.id", id));
                span.set_attribute(KeyValue::new("signalhub.position", position));
                span.set_attribute(KeyValue::new("signalhub.matched", count(matched)));
            }
            ItemEnd::Refused(code) => {
                span.set_attribute(KeyValue::new("error.type", code));
                span.set_status(Status::error(""));
            }
        }
    }
}

fn messaging() -> [KeyValue; 2] {
    [KeyValue::new("messaging.system", "signalhub"), KeyValue::new("messaging.operation.name", "publish")]
}

fn recorded(span: &Span) -> Option<TraceParent> {
    Some(trace_parent(span.span_context())).filter(|context| context.sampled == Sampled::Yes)
}

fn count(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
