//! Publishers that repeat with the same idempotency key what was not answered.

use std::collections::HashMap;
use std::sync::Mutex;

use futures_util::FutureExt;
use signalhub::events::{
    Action, Broker, Durability, Event, EventName, Fingerprint, Idempotency, IdempotencyKey, Organisation, Position,
    PublishError, PublishOptions, Published, ResourceName,
};
use time::OffsetDateTime;
use tokio::task::JoinHandle;

use super::stepped_log::Disk;
use crate::seed::Seed;
use crate::{EVENT, RESOURCES};

/// What a publisher wants to publish, or has published.
#[derive(Clone)]
struct Wanted {
    token: u64,
    event: Event,
    idempotency: Option<Idempotency>,
}

struct Call {
    wanted: Wanted,
    durability: Durability,
    task: JoinHandle<Result<Published, PublishError>>,
}

/// What a publisher was told.
struct Answer {
    position: Position,
    durability: Durability,
}

#[derive(Default)]
pub(crate) struct Publishers {
    calls: Vec<Call>,
    /// Publishes with keys that were not answered.
    unanswered: Vec<Wanted>,
    answers: HashMap<u64, Answer>,
    next_token: u64,
}

impl Publishers {
    pub(crate) fn publish(&mut self, broker: &Broker, seed: &mut Seed, length: usize) {
        self.next_token += 1;
        let token = self.next_token;
        let payload = format!("{{\"t\":{token},\"x\":\"{}\"}}", "x".repeat(length));
        let mut event = Event::new(EventName::new(EVENT), payload)
            .with_resource(ResourceName::new(RESOURCES[seed.below(3) as usize]))
            .with_action(Action::Created);
        event.organisation = (seed.below(3) == 0).then(|| Organisation::new("acme"));
        event.expires = (seed.below(12) == 0).then_some(OffsetDateTime::UNIX_EPOCH);
        let mut digest = [0; 16];
        digest[..8].copy_from_slice(&token.to_le_bytes());
        let idempotency = (seed.below(4) > 0)
            .then(|| Idempotency { key: IdempotencyKey::new(digest), fingerprint: Fingerprint::new(token) });
        self.call(broker, seed, Wanted { token, event, idempotency });
    }

    /// Publishes once more what was not answered, or what is still under way.
    pub(crate) fn repeat(&mut self, broker: &Broker, seed: &mut Seed) {
        if !self.unanswered.is_empty() {
            let wanted = self.unanswered.swap_remove(seed.below(self.unanswered.len() as u64) as usize);
            self.call(broker, seed, wanted);
        } else if let Some(call) = self.calls.first().filter(|call| call.wanted.idempotency.is_some()) {
            let wanted = call.wanted.clone();
            self.call(broker, seed, wanted);
        }
    }

    fn call(&mut self, broker: &Broker, seed: &mut Seed, wanted: Wanted) {
        let durability = if seed.below(5) == 0 { Durability::Durable } else { Durability::Written };
        let options = PublishOptions { idempotency: wanted.idempotency, durability, ..PublishOptions::default() };
        let (broker, event) = (broker.clone(), wanted.event.clone());
        let task = tokio::spawn(async move { broker.publish_with(event, options).await });
        self.calls.push(Call { wanted, durability, task });
    }

    /// Takes the answers that have come.
    pub(crate) fn collect(&mut self, disk: &Mutex<Disk>) {
        for index in (0..self.calls.len()).rev() {
            if !self.calls[index].task.is_finished() {
                continue;
            }
            let Call { wanted, durability, task } = self.calls.swap_remove(index);
            match task.now_or_never().unwrap().unwrap() {
                Ok(Published { receipt, .. }) => self.on_answer(&wanted, receipt.position, durability, disk),
                Err(PublishError::Unavailable(_)) => {
                    let ledger = &disk.lock().unwrap().ledger;
                    let is_written = || ledger.all.iter().any(|entry| entry.token == wanted.token);
                    assert!(wanted.idempotency.is_some() || !is_written(), "{} was refused and written", wanted.token);
                    self.keep(wanted);
                }
                Err(error) => panic!("{error}"),
            }
        }
    }

    fn on_answer(&mut self, wanted: &Wanted, position: Position, durability: Durability, disk: &Mutex<Disk>) {
        let token = wanted.token;
        let ledger = &disk.lock().unwrap().ledger;
        let found = ledger.at(position).map(|entry| entry.token);
        assert_eq!(found, Some(token), "the answer for {token} has the position {position} of another event");
        self.unanswered.retain(|wanted| wanted.token != token);
        // A repeat may be answered after the first one, and may have asked for more.
        let answer = self.answers.entry(token).or_insert(Answer { position, durability });
        if durability == Durability::Durable || ledger.is_behind(answer.position, position) {
            *answer = Answer { position, durability };
        }
    }

    fn keep(&mut self, wanted: Wanted) {
        let is_answered = self.answers.contains_key(&wanted.token);
        if wanted.idempotency.is_some() && !is_answered {
            self.unanswered.push(wanted);
        }
    }

    /// Lets a publisher leave before its answer has come.
    pub(crate) fn leave(&mut self, seed: &mut Seed) {
        if !self.calls.is_empty() {
            let call = self.calls.swap_remove(seed.below(self.calls.len() as u64) as usize);
            call.task.abort();
            self.keep(call.wanted);
        }
    }

    /// No publisher gets an answer any more.
    pub(crate) fn on_crash(&mut self, disk: &Mutex<Disk>) {
        self.collect(disk);
        for call in std::mem::take(&mut self.calls) {
            call.task.abort();
            self.keep(call.wanted);
        }
    }

    pub(crate) fn are_waiting(&self) -> bool {
        !(self.calls.is_empty() && self.unanswered.is_empty())
    }

    /// Every publish that was answered is there once, unless it was lost and its publisher had not asked for more.
    pub(crate) fn assert_complete(&self, disk: &Disk) {
        let counts = disk.ledger.counts_of_tokens();
        for (token, count) in &counts {
            assert_eq!(*count, 1, "{token} was published {count} times");
        }
        for (token, Answer { position, durability }) in &self.answers {
            let is_lost = *durability == Durability::Written && position.epoch() != disk.ledger.epoch();
            assert!(counts.contains_key(token) || is_lost, "{token} was answered at {position} and is missing");
        }
    }
}
