//! The spans of calls, as those of the source `Microsoft.AspNetCore.SignalR.Server` in .NET 9.

use opentelemetry::KeyValue;
use opentelemetry::trace::{Span, SpanBuilder, SpanKind, Status};
use opentelemetry_sdk::trace::SdkTracer;
use signalhub::{Call, HubError, HubFilter, Next, Reply};

use super::parent;

/// Records the calls that reach a method. That of a streaming method ends when its stream begins.
#[derive(Debug)]
pub(super) struct CallSpans {
    tracer: SdkTracer,
    hub: &'static str,
}

impl CallSpans {
    /// `hub` is the name of the hub.
    pub(super) fn new(tracer: SdkTracer, hub: &'static str) -> Self {
        Self { tracer, hub }
    }
}

impl HubFilter for CallSpans {
    async fn invoke(&self, call: &Call, next: Next<'_, Reply>) -> Result<Reply, HubError> {
        let (hub, method) = (self.hub, call.method().unwrap_or_default().to_owned());
        let builder = SpanBuilder::from_name(format!("{hub}/{method}")).with_kind(SpanKind::Server);
        let mut span = builder.start_with_context(&self.tracer, &parent(call.trace(), None));
        if !span.is_recording() {
            return next.run().await;
        }
        span.set_attribute(KeyValue::new("rpc.system", "signalr"));
        span.set_attribute(KeyValue::new("rpc.service", hub));
        span.set_attribute(KeyValue::new("rpc.method", method));
        let reply = next.run().await;
        if let Err(error) = &reply {
            span.set_attribute(KeyValue::new("error.type", error.exception()));
            // The text may quote what a client has sent.
            span.set_status(Status::error(""));
        }
        reply
    }
}
