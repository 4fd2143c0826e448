//! The subscriptions of a client, and how far it has got its events if it asked for positions.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use signalhub_events::{Delivery, EventName, Position, Progress, Subscriptions};

/// The subscriptions of a client.
#[derive(Default)]
pub(crate) enum Subscribed {
    /// It has not subscribed yet.
    #[default]
    Nothing,
    /// It has never used `since`.
    Plain(Subscriptions),
    /// It has used `since`.
    Resuming(Box<Resuming>),
}

/// The subscriptions of a client that has used `since`.
pub(crate) struct Resuming {
    pub(crate) subscriptions: Subscriptions,
    /// The events for which it has used `since`.
    pub(crate) events: Vec<ResumedEvent>,
    pub(crate) sent: Arc<SentPositions>,
}

/// The position of the latest event of each name that a client was sent as it was published. It is locked while that is sent, so that the
/// client is never told an earlier position behind it. The lock is taken behind that of the subscriptions.
#[derive(Default)]
pub(crate) struct SentPositions(Mutex<Vec<(EventName, Position)>>);

impl SentPositions {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Vec<(EventName, Position)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Locks it, and adds what is sent while it is locked.
    pub(crate) fn note<'a>(
        &self,
        deliveries: impl IntoIterator<Item = &'a Delivery>,
    ) -> MutexGuard<'_, Vec<(EventName, Position)>> {
        let mut positions = self.lock();
        for delivery in deliveries {
            let (event, position) = (&delivery.event().name, delivery.position());
            match positions.iter_mut().find(|(known, _)| known == event) {
                Some((_, latest)) => *latest = position,
                None => positions.push((event.clone(), position)),
            }
        }
        positions
    }
}

/// An event for which a client has used `since`.
pub(crate) struct ResumedEvent {
    pub(crate) event: EventName,
    pub(crate) progress: ResumeProgress,
}

/// How far a client has got an event.
pub(crate) enum ResumeProgress {
    /// Those that it has missed are being replayed, by the call that holds this token.
    Replaying(Arc<ReplayToken>),
    /// It gets new ones as they are published.
    Live {
        /// The latest position that it was told.
        told: Position,
        /// How far the deliveries had come at the previous ping.
        earlier: Option<Progress>,
    },
}

/// Identifies a replay by its address.
pub(crate) struct ReplayToken;

impl Subscribed {
    pub(crate) fn get_mut(&mut self) -> Option<&mut Subscriptions> {
        match self {
            Self::Nothing => None,
            Self::Plain(subscriptions) => Some(subscriptions),
            Self::Resuming(resuming) => Some(&mut resuming.subscriptions),
        }
    }

    pub(crate) fn resuming(&mut self) -> Option<&mut Resuming> {
        match self {
            Self::Nothing | Self::Plain(_) => None,
            Self::Resuming(resuming) => Some(resuming),
        }
    }
}

impl Resuming {
    /// Finds the event that a replay is for, unless the replay was ended.
    pub(crate) fn replaying(&mut self, token: &Arc<ReplayToken>) -> Option<&mut ResumedEvent> {
        self.events.iter_mut().find(|event| match &event.progress {
            ResumeProgress::Replaying(known) => Arc::ptr_eq(known, token),
            ResumeProgress::Live { .. } => false,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_that_never_uses_since_takes_no_more_memory_for_it() {
        assert_eq!(size_of::<Subscribed>(), size_of::<Option<Subscriptions>>());
    }
}
