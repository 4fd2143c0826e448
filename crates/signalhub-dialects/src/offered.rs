//! What a connection of a dialect answers to an offer.

use signalhub_connections::{ConnectionEnded, Sent};
use signalhub_events::Offered;

/// Translates what became of the frames of an offer.
pub(crate) fn offered(sent: Result<Sent, ConnectionEnded>) -> Offered {
    match sent {
        Ok(Sent::Written) => Offered::Accepted,
        Ok(Sent::Queued) => Offered::Queued,
        Err(ConnectionEnded) => Offered::Refused,
    }
}
