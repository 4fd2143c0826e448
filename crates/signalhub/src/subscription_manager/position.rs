//! Tells clients that have used `since` how far they have got the events of a name.
//!
//! A client whose filter rarely matches would else hold an old position, and be told of a gap that is none. The message takes the
//! place of a ping, so that it costs no connection more messages.

use signalhub_events::{EventName, Progress};

use super::{SubscriptionMethods, render};
use crate::clients::client::Client;
use crate::clients::subscribed::{ResumeProgress, Resuming};

/// Whether a client was told a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    Something,
    Nothing,
}

impl SubscriptionMethods {
    /// Sends `OnPosition` for each event for which the client has used `since` and whose position has moved.
    pub(crate) fn tell_positions(&self, client: &Client) -> Told {
        let mut subscribed = client.subscriptions();
        let Some(Resuming { subscriptions, events }) = subscribed.resuming() else { return Told::Nothing };
        let mut result = Told::Nothing;
        events.retain_mut(|resumed| {
            let ResumeProgress::Live { told, earlier } = &mut resumed.progress else { return true };
            // New credentials may have ended its last filter.
            if !subscriptions.has_event(&resumed.event) {
                return false;
            }
            let now = self.broker.progress(&resumed.event);
            let reached = [Some(now), earlier.replace(now)].into_iter().flatten().find(|then| is_offered(*then, now));
            let moved = reached.filter(|then| then.position.offset() > *told);
            if let Some(Progress { position, .. }) = moved
                && let Ok(frame) = render::on_position(client.protocol(), &resumed.event, position)
                && client.outbound().send(&frame).is_ok()
            {
                *told = position.offset();
                result = Told::Something;
            }
            true
        });
        result
    }
}

/// Tells whether all events that were published `then` are offered by `now`.
fn is_offered(then: Progress, now: Progress) -> bool {
    now.offered >= then.published
}

impl Resuming {
    /// Forgets an event whose last filter was removed, and ends its replay if one is running.
    pub(super) fn on_unsubscribed(&mut self, event: &EventName) {
        if !self.subscriptions.has_event(event) {
            self.events.retain(|resumed| resumed.event != *event);
        }
    }
}
