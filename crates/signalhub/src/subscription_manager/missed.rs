//! Tells clients that this node has missed events of other nodes, so that the clients will not get them.
//!
//! Only clients that have used `since` can be told: others have no handler for it, and know of no positions.

use std::sync::Weak;

use signalhub_connections::{Dismissal, Outbound};
use signalhub_events::{Missed, Position, Told, Untold};

use super::render;
use crate::clients::client::Client;
use crate::clients::subscribed::{ResumeProgress, SentPositions};

/// Ends the connection of a client that cannot be told, if that is wanted.
pub(super) fn close_or_count(outbound: &Outbound, missed: &Missed) -> Told {
    match missed.untold {
        Untold::Counted => Told::No,
        Untold::Closed => {
            outbound.dismiss(Dismissal { allow_reconnect: true, reason: None });
            Told::Yes
        }
    }
}

/// Sends `OnGap` to a client that has used `since`.
pub(super) fn tell(client: &Weak<Client>, sent: &SentPositions, missed: &Missed) -> Told {
    // If the connection has ended, the client asks again with its position.
    let Some(client) = client.upgrade() else { return Told::Yes };
    let mut subscribed = client.subscriptions();
    let Some(resuming) = subscribed.resuming() else { return Told::Yes };
    if let Some(resumed) = resuming.events.iter_mut().find(|resumed| resumed.event == missed.name) {
        match &mut resumed.progress {
            // The replay finds the gap, and its answer tells it.
            ResumeProgress::Replaying(_) => return Told::Yes,
            ResumeProgress::Live { told, .. } if !is_behind(*told, missed.now) => return Told::Yes,
            ResumeProgress::Live { told, earlier } => (*told, *earlier) = (missed.now, None),
        }
    }
    let mut sent = sent.lock();
    sent.retain(|(event, _)| *event != missed.name);
    match render::on_gap(client.protocol(), &missed.name, missed.gap()) {
        // If the connection has ended, the session finds out by itself.
        Ok(frame) => drop(client.outbound().send(&frame)),
        Err(error) => tracing::error!(event = %missed.name, %error, "a gap cannot be encoded, so no client is told"),
    }
    Told::Yes
}

/// Tells whether a client that was told this position has missed what came before `now`.
fn is_behind(told: Position, now: Position) -> bool {
    told.epoch() != now.epoch() || told.offset() < now.offset()
}

#[cfg(test)]
mod tests;
