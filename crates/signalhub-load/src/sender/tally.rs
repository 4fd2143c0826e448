//! What a sender has sent, and what became of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::time::Instant;

use crate::course::Course;
use crate::latencies::Latencies;
use crate::schedule::Stream;

/// How many different reasons are kept.
const REASONS: usize = 10;

/// Why something failed, and how often.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Reasons(BTreeMap<String, u64>);

impl Reasons {
    pub(crate) fn add(&mut self, reason: String) {
        let reason = if self.0.len() < REASONS || self.0.contains_key(&reason) { reason } else { "others".to_owned() };
        *self.0.entry(reason).or_default() += 1;
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        for (reason, count) in &other.0 {
            *self.0.entry(reason.clone()).or_default() += count;
        }
    }

    pub(crate) fn count(&self) -> u64 {
        self.0.values().sum()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.0.iter().map(|(reason, count)| (reason.as_str(), *count))
    }
}

/// What a sender has sent.
#[derive(Debug)]
pub(crate) struct Sent {
    course: Arc<Course>,
    pub(crate) sender: u32,
    /// All events of the sender below this one were sent, or tried.
    pub(crate) until: u64,
    /// Those that the server did not accept, by group.
    refused: BTreeMap<u32, BTreeSet<u32>>,
    /// How many events of the measured part were accepted.
    pub(crate) accepted: u64,
    /// How many subscribers they matched, if the server tells it.
    pub(crate) matched: Option<u64>,
    pub(crate) reasons: Reasons,
    /// From when an event was due to the answer of the server.
    pub(crate) receipts: Latencies,
    /// How late this process noticed that an event was due.
    pub(crate) lags: Latencies,
    /// When the last event was sent.
    pub(crate) last: Option<Instant>,
    /// The server refuses every event: why.
    pub(crate) refusal: Option<String>,
    accepted_any: bool,
}

impl Sent {
    pub(crate) fn new(course: Arc<Course>, sender: u32) -> Self {
        Self {
            course,
            sender,
            until: 0,
            refused: BTreeMap::new(),
            accepted: 0,
            matched: None,
            reasons: Reasons::default(),
            receipts: Latencies::default(),
            lags: Latencies::default(),
            last: None,
            refusal: None,
            accepted_any: false,
        }
    }

    fn measured(&self, event: u64) -> bool {
        event >= self.course.schedule.warm_up_events()
    }

    /// Notes that an event is sent now, at the moment when it became due if the sender was waiting for it.
    pub(crate) fn begin(&mut self, event: u64, waited: bool) {
        let now = Instant::now();
        if waited && self.measured(event) {
            self.lags.record(now.saturating_duration_since(self.course.due(event)));
        }
        self.last = Some(now);
        self.until = event + 1;
    }

    /// Notes that the server has accepted an event, and how many subscribers it matched, if it tells that.
    pub(crate) fn accept(&mut self, event: u64, matched: Option<u64>) {
        self.accepted_any = true;
        self.course.live.published.fetch_add(1, Ordering::Relaxed);
        if self.measured(event) {
            self.accepted += 1;
            self.receipts.record(Instant::now().saturating_duration_since(self.course.due(event)));
            if let Some(matched) = matched {
                *self.matched.get_or_insert(0) += matched;
            }
        }
    }

    /// Notes that the server did not accept an event. Returns whether it refuses every event, so that sending is pointless.
    pub(crate) fn refuse(&mut self, event: u64, reason: &str, is_final: bool) -> bool {
        self.leave_out(event);
        self.reasons.add(reason.to_owned());
        if is_final && !self.accepted_any {
            self.refusal = Some(reason.to_owned());
        }
        self.refusal.is_some()
    }

    /// Notes that it is not known whether the server has accepted an event: the run was stopped.
    pub(crate) fn leave_out(&mut self, event: u64) {
        let (stream, sequence) = self.course.schedule.place(event);
        self.refused.entry(stream.group).or_default().insert(sequence);
    }

    /// The measured events of a group that were sent, and those among them that were refused.
    pub(crate) fn sent_to(&self, group: u32) -> (std::ops::Range<u32>, &BTreeSet<u32>) {
        static NONE: BTreeSet<u32> = BTreeSet::new();
        let (schedule, stream) = (&self.course.schedule, Stream { sender: self.sender, group });
        let first = schedule.sequence_before(stream, schedule.warm_up_events());
        let end = schedule.sequence_before(stream, self.until);
        (first.min(end)..end, self.refused.get(&group).unwrap_or(&NONE))
    }

    /// How many events of a group were accepted, those of the warm-up included.
    pub(crate) fn accepted_of(&self, group: u32) -> u64 {
        let (sent, refused) = self.sent_to(group);
        u64::from(sent.end) - refused.len() as u64
    }

    /// How many events of the measured part were sent or tried.
    pub(crate) fn tried(&self) -> u64 {
        let groups = 0..self.course.schedule.groups.get();
        groups.map(|group| self.sent_to(group).0.len() as u64).sum()
    }
}
