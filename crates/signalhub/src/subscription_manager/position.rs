//! Tells clients that have used `since` how far they have got the events of a name.
//!
//! A client whose filter rarely matches would else hold an old position, and be told of a gap that is none. The message takes the
//! place of a ping, so that it costs no connection more messages.

use signalhub_events::{EventName, Position, Progress};

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
        let Some(Resuming { subscriptions, events, sent }) = subscribed.resuming() else { return Told::Nothing };
        let mut result = Told::Nothing;
        events.retain_mut(|resumed| {
            let ResumeProgress::Live { told, earlier } = &mut resumed.progress else { return true };
            // New credentials may have ended its last filter.
            if !subscriptions.has_event(&resumed.event) {
                return false;
            }
            let sent = sent.lock();
            let now = self.broker.progress(&resumed.event);
            let latest = sent.iter().find(|(event, _)| *event == resumed.event).map(|(_, position)| *position);
            // Some subscribers, and this one, may have got later events already.
            let earlier = earlier.replace(now).filter(|earlier| {
                earlier.position.epoch() == now.position.epoch()
                    && latest.is_none_or(|latest| latest == earlier.position || has_moved(latest, earlier.position))
            });
            let reached = [Some(now), earlier].into_iter().flatten().find(|then| is_offered(*then, now));
            let moved = reached.filter(|then| has_moved(*told, then.position));
            if let Some(Progress { position, .. }) = moved
                && let Ok(frame) = render::on_position(client.protocol(), &resumed.event, position)
                && client.outbound().send(&frame).is_ok()
            {
                *told = position;
                result = Told::Something;
            }
            true
        });
        sent.lock().retain(|(name, _)| events.iter().any(|resumed| resumed.event == *name));
        result
    }
}

/// Tells whether a position is new to a client. A store may begin a new epoch, with offsets that are not higher.
fn has_moved(told: Position, reached: Position) -> bool {
    told.epoch() != reached.epoch() || told.offset() < reached.offset()
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
