//! What a client of a node gets.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use signalhub_events::{Delivery, EventId, Gap, GapReason, Missed, Offered, Position, Subscriber, Told};
use tokio::time::timeout;

/// One thing that a client gets.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::log) enum Got {
    Event(Position, EventId),
    Gap(Gap, Position),
}

/// Everything that a client gets, in its order.
#[derive(Debug, Clone, Default)]
pub(in crate::log) struct Ledger(Arc<Mutex<Vec<Got>>>);

impl Subscriber for Ledger {
    fn offer(&self, delivery: &Delivery) -> Offered {
        self.0.lock().unwrap().push(Got::Event(delivery.position(), delivery.event().id.unwrap()));
        Offered::Accepted
    }

    fn missed(&self, missed: &Missed) -> Told {
        self.0.lock().unwrap().push(Got::Gap(missed.gap(), missed.now));
        Told::Yes
    }
}

impl Ledger {
    pub(in crate::log) fn all(&self) -> Vec<Got> {
        self.0.lock().unwrap().clone()
    }

    pub(in crate::log) fn events(&self) -> Vec<(Position, EventId)> {
        let event = |got| match got {
            Got::Event(position, id) => Some((position, id)),
            Got::Gap(..) => None,
        };
        self.all().into_iter().filter_map(event).collect()
    }

    /// The events behind the last gap.
    pub(in crate::log) fn events_behind_gaps(&self) -> Vec<(Position, EventId)> {
        let all = self.all();
        let behind = all.iter().rposition(|got| matches!(got, Got::Gap(..))).map_or(0, |gap| gap + 1);
        let skipped = all[..behind].iter().filter(|got| matches!(got, Got::Event(..))).count();
        self.events().split_off(skipped)
    }

    pub(in crate::log) fn gaps(&self) -> Vec<Gap> {
        let gap = |got| match got {
            Got::Gap(gap, _) => Some(gap),
            Got::Event(..) => None,
        };
        self.all().into_iter().filter_map(gap).collect()
    }

    pub(in crate::log) async fn wait_for_events(&self, count: usize) -> Vec<(Position, EventId)> {
        let waiting = async {
            while self.events().len() < count {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        let is_there = timeout(Duration::from_secs(60), waiting).await.is_ok();
        assert!(is_there, "{} of {count} events came", self.events().len());
        self.events()
    }

    pub(in crate::log) async fn wait_for_gap(&self) -> Gap {
        let waiting = async {
            while self.gaps().is_empty() {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        timeout(Duration::from_secs(60), waiting).await.expect("a gap is told");
        self.gaps()[0]
    }

    /// Checks that the events are in their order, that none came twice, and that none is missing without a gap.
    pub(in crate::log) fn check(&self) {
        self.check_across(|_, _, _| false);
    }

    /// As `check`, where Redis may have lost the event at an earlier position when it has the same one at a later position. The node that
    /// publishes a lost event may have repeated it, because its answer was lost too. Then it comes twice: once from each past, with a gap
    /// between.
    pub(in crate::log) fn check_across(&self, is_lost: impl Fn(Position, Position, EventId) -> bool) {
        let (mut latest, mut pasts, mut ids): (Option<Position>, _, _) = (None, 0, HashMap::new());
        for got in self.all() {
            match got {
                Got::Event(position, id) => {
                    if let Some((earlier, past)) = ids.insert(id, (position, pasts)) {
                        let is_told = past < pasts && is_lost(earlier, position, id);
                        assert!(is_told, "{id} came twice, at {earlier} and {position}");
                    }
                    if let Some(latest) = latest {
                        let next = Position::new(latest.epoch(), latest.offset() + 1);
                        assert_eq!(position, next, "events are missing without a gap");
                    }
                    latest = Some(position);
                }
                Got::Gap(gap, now) => {
                    assert!(latest.is_none_or(|latest| latest == gap.from), "{gap:?} begins at {latest:?}");
                    latest = Some(now);
                    // Behind removed events, a node cannot tell whether the past is the one that it has read.
                    pasts += u32::from(matches!(gap.reason, GapReason::Epoch | GapReason::Trimmed));
                }
            }
        }
    }
}
