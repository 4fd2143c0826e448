//! The line of the access log about a notification of a publisher.

use portos_notifications::PublishBody;
use signalhub::connections::RequestId;
use signalhub::events::{Receipt, Repeat, TraceParent};
use tracing::field;

use super::authorize::Publisher;
use crate::http_api::problem::Problem;
use crate::log::ACCESS;

/// What is known before the notification is published.
#[derive(Debug)]
pub(super) struct AccessLine {
    request_id: Option<RequestId>,
    trace: Option<TraceParent>,
    publisher: Option<String>,
    event: String,
    organisation: Option<String>,
}

impl AccessLine {
    /// Begins a line; `None` if there is no access log.
    pub(super) fn begin(
        publisher: &Publisher,
        request_id: Option<&RequestId>,
        trace: Option<TraceParent>,
        body: &PublishBody,
    ) -> Option<Self> {
        tracing::enabled!(target: ACCESS, tracing::Level::INFO).then(|| Self {
            request_id: request_id.cloned(),
            trace,
            publisher: publisher.who.name(),
            event: body.event.clone(),
            organisation: body.organisation.clone(),
        })
    }

    /// Logs what became of the notification.
    pub(super) fn end(self, outcome: Result<&Receipt, &Problem>) {
        let receipt = outcome.ok();
        let outcome = match outcome {
            Ok(Receipt { repeat: Repeat::No, .. }) => "published",
            Ok(Receipt { repeat: Repeat::Yes, .. }) => "repeated",
            Err(problem) => problem.code.code(),
        };
        tracing::info!(
            target: ACCESS,
            request_id = self.request_id.map(field::display),
            trace_id = self.trace.map(|trace| field::display(trace.trace_id)),
            publisher = self.publisher,
            event = self.event,
            organisation = self.organisation,
            outcome,
            position = receipt.map(|receipt| field::display(receipt.position)),
            matched = receipt.map(|receipt| receipt.matched),
            "publish"
        );
    }
}
