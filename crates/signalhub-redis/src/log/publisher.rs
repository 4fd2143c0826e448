//! Writes events to their streams, once each.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use signalhub_events::{
    Declared, Durability, Epoch, EventName, Position, Reach, SharedPublish, SharedPublishError, SharedPublished,
};
use tokio::time::{Instant, sleep, timeout_at};

use super::counts::Counts;
use super::entry::{self, Asked};
use super::streams::{Confirmation, PublishAnswer, PublishCall, StreamError};
use super::write::{Attempt, WriteId};
use super::{Inner, Shard};

/// How long a publish that failed waits before it is tried again.
const RETRY: Duration = Duration::from_millis(50);

/// How long the answer of Redis may take. An attempt that has less time left may stay unanswered, so that it would not be known any more
/// that the event is not published.
const ANSWER: Duration = Duration::from_millis(500);

/// After this time a publish compares the event at the cursor again.
const COMPARE: Duration = Duration::from_secs(1);

/// What this node knows of a name before the first attempt.
struct Known {
    floor: Option<Position>,
    tail: Option<WriteId>,
}

/// Publishes an event, and tries again until its patience is over.
pub(super) async fn publish(inner: &Inner, publish: SharedPublish) -> Result<SharedPublished, SharedPublishError> {
    let begun = Instant::now();
    let deadline = begun + inner.options.patience;
    let permit = timeout_at(deadline, inner.in_flight.acquire()).await;
    let Ok(Ok(_permit)) = permit else { return Err(SharedPublishError::Unavailable) };
    let Some(id) = publish.event.id else { return Err(SharedPublishError::Unavailable) };
    let waiting = match publish.reach {
        Reach::Node => None,
        Reach::Cluster(most) => Some((inner.answers.begin(most), most)),
    };
    let asked = waiting.as_ref().map(|(waiting, most)| Asked {
        node: Arc::clone(&inner.options.node),
        number: waiting.number(),
        // The others answer before this node stops waiting.
        wait: (publish.tracking == signalhub_events::Tracking::On).then(|| *most * 9 / 10),
    });
    let shard = inner.shard_of(&publish.event.name);
    let known = inner.known(shard, &publish.event.name, publish.declared)?;
    let mut call = PublishCall {
        name: publish.event.name.clone(),
        id,
        entry: entry::encode(&publish.event, asked.as_ref()),
        most: inner.options.limits_of(&publish.event.name).events,
        new_epoch: random_epoch(),
        first_epoch: Epoch::new(shard.dataset.load(Ordering::Relaxed)),
        floor: known.floor,
        tail: known.tail,
        key: publish.idempotency.map(|idempotency| (idempotency.key, idempotency.fingerprint)),
        key_lifetime: inner.options.idempotency_window,
        attempt: Attempt::FIRST,
        replicas: inner.options.replicas,
        durable: publish.durability == Durability::Durable,
    };
    let (answer, confirmation) = {
        let _timed = Timed { counts: &inner.counts, begun };
        attempt_until(inner, shard, &mut call, deadline).await?
    };
    if call.durable && !confirmation.is_durable && !is_other(answer, &call) {
        return Err(SharedPublishError::Unknown);
    }
    let mut published = match answer {
        PublishAnswer::Published { position } | PublishAnswer::Forked { position } => SharedPublished::at(position),
        // An earlier attempt was written, and its answer was lost.
        PublishAnswer::Duplicate { position, id: written, .. } if written == id => SharedPublished::at(position),
        PublishAnswer::Duplicate { position, id, fingerprint } => {
            let mut published = SharedPublished::at(position);
            published.repeat_of = Some((id, fingerprint));
            return Ok(published);
        }
        PublishAnswer::Unknown => return Err(SharedPublishError::Unknown),
    };
    published.cluster.replicas = confirmation.replicas;
    if let Some((waiting, _)) = waiting {
        published.cluster.counts = Some(Box::pin(waiting.collect()));
    }
    Ok(published)
}

/// Counts how long a publish took, also if its publisher does not wait for the answer because the event has come back.
struct Timed<'a> {
    counts: &'a Counts,
    begun: Instant,
}

impl Drop for Timed<'_> {
    fn drop(&mut self) {
        self.counts.published(self.begun.elapsed());
    }
}

/// Whether the key is that of an event with another content, so that nothing was asked of this one.
fn is_other(answer: PublishAnswer, call: &PublishCall) -> bool {
    match (answer, call.key) {
        (PublishAnswer::Duplicate { fingerprint, .. }, Some((_, own))) => fingerprint != own,
        _ => false,
    }
}

async fn attempt_until(
    inner: &Inner,
    shard: &Shard,
    call: &mut PublishCall,
    deadline: Instant,
) -> Result<(PublishAnswer, Confirmation), SharedPublishError> {
    // The publisher waits until the event comes back.
    shard.pause.end();
    loop {
        let error = match timeout_at(deadline, shard.streams.publish(call)).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) => error,
            Err(_) => StreamError::Unanswered("the time of the publish is over".to_owned()),
        };
        match &error {
            StreamError::Disconnected => {}
            StreamError::Refused(_) => {
                tracing::debug!(event = %call.name, %error, "an event is not published yet");
            }
            StreamError::Unanswered(_) | StreamError::Unexpected(_) => call.attempt = call.attempt.next(),
        }
        let needed = if call.attempt.is_repeated() { RETRY } else { RETRY + ANSWER.min(inner.options.patience / 4) };
        if Instant::now() + needed >= deadline {
            tracing::debug!(event = %call.name, %error, "an event is not published in time");
            let is_sent = call.attempt.is_repeated();
            return Err(if is_sent { SharedPublishError::Unknown } else { SharedPublishError::Unavailable });
        }
        inner.counts.retry();
        sleep(RETRY).await;
    }
}

impl Inner {
    /// What a publish of a name is compared with in Redis.
    fn known(&self, shard: &Shard, name: &EventName, declared: Declared) -> Result<Known, SharedPublishError> {
        let mut names = shard.lock();
        let Some(state) = names.get_mut(name) else {
            let undeclared = self.undeclared();
            if declared == Declared::Yes || undeclared < self.options.names {
                // The names that others write leave it its place.
                shard.insert(&mut names, name.clone(), declared);
                return Ok(Known { floor: None, tail: None });
            }
            tracing::debug!(event = %name, undeclared, "an event is not published: there are too many undeclared names");
            return Err(SharedPublishError::TooManyNames);
        };
        let now = Instant::now();
        let is_due = state.compared.is_none_or(|compared| now.duration_since(compared) >= COMPARE);
        if is_due {
            state.compared = Some(now);
        }
        Ok(Known { floor: state.cursor.position(), tail: state.cursor.tail.filter(|_| is_due) })
    }
}

/// An epoch that no other name or node has.
pub(super) fn random_epoch() -> Epoch {
    Epoch::new(getrandom::u64().expect("an operating system gives random bytes, or nothing here can work"))
}
