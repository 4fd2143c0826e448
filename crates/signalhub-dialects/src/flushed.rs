//! How publishers wait until an event is written to a connection of a dialect.

use signalhub_connections::Outbound;
use signalhub_events::{Flushed, Flushing};

/// Waits until everything that a connection was sent is written.
pub(crate) fn flushed(outbound: &Outbound) -> Flushing {
    let flushed = outbound.flushed();
    Box::pin(async {
        match flushed.await {
            signalhub_connections::Flushed::Written => Flushed::Written,
            signalhub_connections::Flushed::Ended => Flushed::Ended,
        }
    })
}

#[cfg(test)]
mod tests;
