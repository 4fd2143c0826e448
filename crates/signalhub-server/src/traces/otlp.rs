//! Spans by the SDK of OpenTelemetry, made at three places: publishes, fan-outs and calls.

mod calls;
mod collector;
mod fan_outs;
mod publishes;
mod queue;
mod settings;

use std::sync::Arc;
use std::time::Duration;

use http::request::Parts;
use opentelemetry::Context;
use opentelemetry::trace::{self as api, SpanContext, TraceContextExt, TraceFlags, TraceState, TracerProvider};
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use signalhub::HubBuilder;
use signalhub::events::{BrokerBuilder, Sampled, SpanId, TraceId, TraceParent};

use self::calls::CallSpans;
use self::fan_outs::FanOutSpans;
pub(crate) use self::publishes::{ItemSpan, RequestSpan};
use self::queue::SpanQueue;
use self::settings::Settings;
use super::{TracesError, is_wanted};

/// How many bytes of a text of a publisher a span has. The queue of spans has a limit of their number only.
const LONGEST_TEXT: usize = 256;

/// How many characters of a `tracestate` are passed on. Less than this must not be dropped (W3C Trace Context, section 3.3.1.5).
const LONGEST_STATE: usize = 512;

/// How long the process waits at its end for a collector.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

/// Records spans, if there is a collector for them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Traces(Option<Arc<Recording>>);

#[derive(Debug)]
struct Recording {
    tracer: SdkTracer,
    queue: SpanQueue,
}

impl Traces {
    /// Begins to record spans, as the variables say.
    ///
    /// # Errors
    /// When they say what is not supported.
    pub(crate) fn from_environment() -> Result<Self, TracesError> {
        if !is_wanted() {
            return Ok(Self::default());
        }
        let settings = Settings::from_environment()?;
        let exporter = collector::exporter(&settings)?;
        let queue = SpanQueue::start(exporter, &settings);
        let provider = SdkTracerProvider::builder()
            .with_sampler(settings.sampler)
            .with_resource(settings.resource)
            .with_span_processor(queue.processor())
            .build();
        Ok(Self(Some(Arc::new(Recording { tracer: provider.tracer("signalhub"), queue }))))
    }

    /// Checks the variables without sending anything.
    ///
    /// # Errors
    /// As [`from_environment`](Self::from_environment).
    pub(crate) fn check() -> Result<(), TracesError> {
        if is_wanted() {
            Settings::from_environment().and_then(|settings| collector::exporter(&settings)).map(drop)
        } else {
            Ok(())
        }
    }

    /// Lets a broker record its fan-outs.
    pub(crate) fn broker(&self, builder: BrokerBuilder) -> BrokerBuilder {
        self.0.iter().fold(builder, |builder, recording| {
            builder.fan_out_tracer(Arc::new(FanOutSpans::new(recording.tracer.clone())))
        })
    }

    /// Lets the hub of this name record the calls of its clients.
    pub(crate) fn hub(&self, name: &'static str, builder: HubBuilder<()>) -> HubBuilder<()> {
        self.0.iter().fold(builder, |builder, recording| {
            builder.filter(CallSpans::new(recording.tracer.clone(), name)).without_requests()
        })
    }

    /// How many spans were dropped, because the collector took too little or nothing; `None` if none are recorded.
    pub(crate) fn dropped(&self) -> Option<u64> {
        self.0.as_ref().map(|recording| recording.queue.dropped())
    }

    /// Begins the span of a request to publish. `caller` is the span that sent the request.
    pub(crate) fn request(&self, head: &Parts, caller: Option<TraceParent>) -> RequestSpan {
        RequestSpan::begin(self.0.as_ref().map(|recording| &recording.tracer), head, caller)
    }

    /// Sends what was recorded, as far as the collector takes it within two seconds.
    pub(crate) async fn flush(&self) {
        if let Some(recording) = &self.0
            && tokio::time::timeout(FLUSH_TIMEOUT, recording.queue.flush()).await.is_err()
        {
            tracing::warn!("the last spans were not sent, because the collector took too long");
        }
    }
}

/// The parent of a span, as the SDK takes it. Without one, the span begins a trace.
fn parent(trace: Option<TraceParent>, trace_state: Option<&str>) -> Context {
    let Some(TraceParent { trace_id, span_id, sampled }) = trace else { return Context::new() };
    let flags = match sampled {
        Sampled::Yes => TraceFlags::SAMPLED,
        Sampled::No => TraceFlags::NOT_SAMPLED,
    };
    // A state that is malformed or too long is left out; the trace stays valid (W3C Trace Context, section 3.3.1).
    let state = trace_state
        .filter(|text| text.len() <= LONGEST_STATE)
        .and_then(|text| text.parse::<TraceState>().ok())
        .unwrap_or_default();
    let (trace_id, span_id) = (api::TraceId::from_bytes(trace_id.0), api::SpanId::from_bytes(span_id.0));
    Context::new().with_remote_span_context(SpanContext::new(trace_id, span_id, flags, true, state))
}

/// The beginning of a text, as much as a span may have.
fn cut(text: &str) -> &str {
    let mut end = text.len().min(LONGEST_TEXT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// A span as the parent of others.
fn trace_parent(span: &SpanContext) -> TraceParent {
    let sampled = if span.is_sampled() { Sampled::Yes } else { Sampled::No };
    let (trace_id, span_id) = (span.trace_id().to_bytes(), span.span_id().to_bytes());
    TraceParent { trace_id: TraceId(trace_id), span_id: SpanId(span_id), sampled }
}
