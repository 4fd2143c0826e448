//! A server without the feature `otlp` records no spans.

use http::StatusCode;
use http::request::Parts;
use signalhub::HubBuilder;
use signalhub::events::{BrokerBuilder, TraceParent};

use super::{ItemEnd, ItemStart, TracesError, is_wanted};

/// Records nothing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Traces(());

impl Traces {
    #[allow(clippy::unnecessary_wraps, reason = "the same signature as with the feature")]
    pub(crate) fn from_environment() -> Result<Self, TracesError> {
        if is_wanted() {
            tracing::warn!("no spans are sent, because the program was compiled without the feature otlp");
        }
        Ok(Self::default())
    }

    #[allow(clippy::unnecessary_wraps, reason = "the same signature as with the feature")]
    pub(crate) fn check() -> Result<(), TracesError> {
        Ok(())
    }

    pub(crate) fn broker(&self, builder: BrokerBuilder) -> BrokerBuilder {
        builder
    }

    pub(crate) fn hub(&self, _name: &'static str, builder: HubBuilder<()>) -> HubBuilder<()> {
        builder
    }

    pub(crate) fn dropped(&self) -> Option<u64> {
        None
    }

    pub(crate) fn request(&self, _head: &Parts, _caller: Option<TraceParent>) -> RequestSpan {
        RequestSpan
    }

    pub(crate) async fn flush(&self) {}
}

/// The span of a request, which is not recorded.
#[derive(Debug)]
pub(crate) struct RequestSpan;

impl RequestSpan {
    pub(crate) fn trace_parent(&self) -> Option<TraceParent> {
        None
    }

    pub(crate) fn name_batch(&mut self, _items: usize) {}

    pub(crate) fn item(&mut self, _start: &ItemStart<'_>) -> ItemSpan {
        ItemSpan
    }

    pub(crate) fn end(self, _status: StatusCode) {}
}

/// The span of a notification, which is not recorded.
#[derive(Debug)]
pub(crate) struct ItemSpan;

impl ItemSpan {
    pub(crate) fn trace_parent(&self) -> Option<TraceParent> {
        None
    }

    pub(crate) fn end(self, _end: impl FnOnce() -> ItemEnd) {}
}
