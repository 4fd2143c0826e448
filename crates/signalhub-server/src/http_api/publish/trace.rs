//! The trace that a publish belongs to (W3C Trace Context).

use http::HeaderMap;
use signalhub::events::TraceParent;
use tracing::Span;
use tracing::field::display;

/// The header that names the trace, and the span in it that sent the request.
const TRACEPARENT: &str = "traceparent";

/// Reads the trace of a request. A header that is malformed, or there more than once, is ignored: the publish goes on without a trace.
pub(super) fn of(headers: &HeaderMap) -> Option<TraceParent> {
    let mut values = headers.get_all(TRACEPARENT).iter();
    let value = values.next().filter(|_| values.next().is_none())?;
    TraceParent::from_traceparent(value.as_bytes())
}

/// Adds the id of a trace to the log lines of the current request.
pub(super) fn record(trace: Option<TraceParent>) {
    if let Some(trace) = trace {
        Span::current().record("trace_id", display(trace.trace_id));
    }
}

/// The span of the log lines about an item with a trace of its own; none where it has that of its request.
pub(super) fn span_of_item(own: Option<TraceParent>, request: Option<TraceParent>) -> Span {
    match own {
        Some(own) if request.is_none_or(|request| request.trace_id != own.trace_id) => {
            tracing::info_span!("item", trace_id = %own.trace_id)
        }
        _ => Span::none(),
    }
}
