use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

const WINDOW: Duration = Duration::from_secs(600);

fn limits(keys: usize) -> IdempotencyLimits {
    IdempotencyLimits { window: WINDOW, keys }
}

fn publish(key: u8, content: u64) -> Idempotency {
    Idempotency { key: IdempotencyKey::new([key; 16]), fingerprint: Fingerprint::new(content) }
}

fn outcome(number: u64) -> Outcome {
    (EventId::new(Epoch::new(7), number), Position::new(Epoch::new(9), number))
}

type Beginning = Pin<Box<dyn Future<Output = Result<Begun, KeyReused>> + Send>>;

/// Starts a publish; it gets on when it is polled.
fn begin(keys: &Keys, publish: Idempotency, now: Instant) -> Beginning {
    let keys = keys.clone();
    Box::pin(async move { keys.begin(publish, now).await })
}

fn poll(beginning: &mut Beginning) -> Poll<Result<Begun, KeyReused>> {
    pin!(beginning).poll(&mut Context::from_waker(Waker::noop()))
}

/// Begins a publish that need not wait.
fn begun(keys: &Keys, publish: Idempotency, now: Instant) -> Result<Begun, KeyReused> {
    match poll(&mut begin(keys, publish, now)) {
        Poll::Ready(begun) => begun,
        Poll::Pending => panic!("waits for another publish"),
    }
}

fn first(keys: &Keys, publish: Idempotency, now: Instant) -> Attempt {
    match begun(keys, publish, now) {
        Ok(Begun::First(attempt)) => attempt,
        other => panic!("expected a first publish, found {other:?}"),
    }
}

fn publish_once(keys: &Keys, key: u8, number: u64, now: Instant) {
    let (id, position) = outcome(number);
    first(keys, publish(key, 0), now).published(id, position, now);
}

#[track_caller]
fn is_repeat_of(begun: Result<Begun, KeyReused>, number: u64) {
    match begun {
        Ok(Begun::Repeat { id, position }) => assert_eq!((id, position), outcome(number)),
        other => panic!("expected a repeat of {number}, found {other:?}"),
    }
}

#[test]
fn repeat_gets_the_first_result_until_the_window_is_over() {
    let start = Instant::now();
    let keys = Keys::new(limits(10), start);
    publish_once(&keys, 1, 5, start);
    is_repeat_of(begun(&keys, publish(1, 0), start), 5);
    is_repeat_of(begun(&keys, publish(1, 0), start + WINDOW - Duration::from_millis(1)), 5);
    let again = first(&keys, publish(1, 0), start + WINDOW);
    drop(again);
    assert_eq!(keys.counts(), IdempotencyCounts { duplicates: 2, evicted: 0 });
}

#[test]
fn other_content_with_the_same_key_is_refused_also_while_the_first_is_under_way() {
    let now = Instant::now();
    let keys = Keys::new(limits(10), now);
    let attempt = first(&keys, publish(1, 0), now);
    assert_eq!(begun(&keys, publish(1, 1), now).unwrap_err(), KeyReused);
    let (id, position) = outcome(1);
    attempt.published(id, position, now);
    assert_eq!(begun(&keys, publish(1, 1), now).unwrap_err(), KeyReused);
    is_repeat_of(begun(&keys, publish(1, 0), now), 1);
    // Another key is another publish.
    drop(first(&keys, publish(2, 0), now));
}

#[test]
fn repeats_of_a_publish_under_way_wait_for_its_result() {
    let now = Instant::now();
    // The result reaches them even if it is not remembered at all.
    for most in [10, 0] {
        let keys = Keys::new(limits(most), now);
        let attempt = first(&keys, publish(1, 0), now);
        let mut waiting: Vec<_> = (0..3).map(|_| begin(&keys, publish(1, 0), now)).collect();
        assert!(waiting.iter_mut().all(|waiting| poll(waiting).is_pending()));
        // One that gives up changes nothing for the others.
        drop(waiting.pop());
        let (id, position) = outcome(4);
        attempt.published(id, position, now);
        for mut waiting in waiting {
            let Poll::Ready(begun) = poll(&mut waiting) else { panic!("still waits") };
            is_repeat_of(begun, 4);
        }
        assert_eq!(keys.counts().duplicates, 2);
    }
}

#[test]
fn one_of_the_repeats_takes_the_place_of_a_publish_that_failed() {
    let now = Instant::now();
    let keys = Keys::new(limits(10), now);
    let attempt = first(&keys, publish(1, 0), now);
    let mut waiting: Vec<_> = (0..3).map(|_| begin(&keys, publish(1, 0), now)).collect();
    assert!(waiting.iter_mut().all(|waiting| poll(waiting).is_pending()));
    drop(attempt);
    let Poll::Ready(Ok(Begun::First(second))) = poll(&mut waiting.remove(0)) else { panic!("is not the first") };
    assert!(waiting.iter_mut().all(|waiting| poll(waiting).is_pending()));
    let (id, position) = outcome(2);
    second.published(id, position, now);
    for mut waiting in waiting {
        let Poll::Ready(begun) = poll(&mut waiting) else { panic!("still waits") };
        is_repeat_of(begun, 2);
    }
}

#[tokio::test]
async fn waiting_repeat_is_woken_by_a_success_and_by_a_failure() {
    let now = Instant::now();
    let keys = Keys::new(limits(10), now);
    let attempt = first(&keys, publish(1, 0), now);
    let waiting = tokio::spawn(begin(&keys, publish(1, 0), now));
    tokio::task::yield_now().await;
    drop(attempt);
    let Ok(Begun::First(second)) = waiting.await.unwrap() else { panic!("is not the first") };
    let waiting = tokio::spawn(begin(&keys, publish(1, 0), now));
    tokio::task::yield_now().await;
    let (id, position) = outcome(3);
    // A store ends a publish on a thread of its own.
    std::thread::spawn(move || second.published(id, position, now)).join().unwrap();
    is_repeat_of(waiting.await.unwrap(), 3);
}

#[test]
fn publish_that_fails_leaves_no_key() {
    let now = Instant::now();
    let keys = Keys::new(limits(10), now);
    drop(first(&keys, publish(1, 0), now));
    // Other content is no reuse of the key either.
    drop(first(&keys, publish(1, 1), now));
    assert!(keys.lock().under_way.is_empty() && keys.lock().places.is_empty());
}

#[test]
fn oldest_key_is_forgotten_early_and_counted() {
    let start = Instant::now();
    let keys = Keys::new(limits(2), start);
    (1..=3).for_each(|key| publish_once(&keys, key, key.into(), start));
    assert_eq!(keys.counts().evicted, 1);
    is_repeat_of(begun(&keys, publish(2, 0), start), 2);
    is_repeat_of(begun(&keys, publish(3, 0), start), 3);
    // Used again after it was forgotten, the key has its new result.
    publish_once(&keys, 1, 11, start);
    is_repeat_of(begun(&keys, publish(1, 0), start), 11);
    // Those that have expired are not forgotten early.
    let later = start + WINDOW;
    (4..=6).for_each(|key| publish_once(&keys, key, key.into(), later));
    assert_eq!(keys.counts().evicted, 3);
}

#[test]
fn restored_publishes_are_recognised_for_the_rest_of_their_window() {
    let now = Instant::now();
    let keys = Keys::new(limits(10), now);
    let stored = |key, number, age| {
        let (id, position) = outcome(number);
        StoredPublish::new(publish(key, 0), id, position, age)
    };
    let minutes = |count: u64| Duration::from_secs(60 * count);
    // The second key was used again, after it had been forgotten early.
    keys.restore(
        vec![stored(1, 1, minutes(11)), stored(2, 2, minutes(9)), stored(3, 3, minutes(5)), stored(2, 4, minutes(1))],
        now,
    );
    drop(first(&keys, publish(1, 0), now));
    is_repeat_of(begun(&keys, publish(2, 0), now), 4);
    assert_eq!(begun(&keys, publish(2, 1), now).unwrap_err(), KeyReused);
    is_repeat_of(begun(&keys, publish(3, 0), now + minutes(4)), 3);
    drop(first(&keys, publish(3, 0), now + minutes(5)));
    is_repeat_of(begun(&keys, publish(2, 0), now + minutes(8)), 4);
}

#[test]
fn key_takes_about_a_hundred_bytes_and_the_memory_of_many_is_returned() {
    let start = Instant::now();
    let many = 100_000;
    let keys = Keys::new(limits(many), start);
    let bytes = |state: &State| {
        // A table of the standard library has one byte of its own for each place, and places for one key in seven more than it holds.
        let places = (state.places.capacity() * 8 / 7) * (size_of::<(IdempotencyKey, u64)>() + 1);
        state.published.capacity() * size_of::<Published>() + places
    };
    for number in 0..many as u64 {
        let mut key = [0; 16];
        key[..8].copy_from_slice(&number.to_le_bytes());
        let publish = Idempotency { key: IdempotencyKey::new(key), fingerprint: Fingerprint::new(0) };
        let (id, position) = outcome(number);
        first(&keys, publish, start).published(id, position, start);
    }
    let each = bytes(&keys.lock()) / many;
    assert!((80..=110).contains(&each), "{each} bytes");
    // Each publish forgets a few of those that have expired.
    let later = start + WINDOW;
    (0..many / FORGET_AT_ONCE + 1).for_each(|_| drop(first(&keys, publish(255, 0), later)));
    let left = bytes(&keys.lock());
    assert!(left < 10_000, "{left} bytes");
}

/// One thing that happens; keys and contents are few, so that they meet.
#[derive(Debug, Clone)]
enum Step {
    Begin { key: u8, content: u64 },
    Succeed(usize),
    Fail(usize),
    Poll(usize),
    GiveUp(usize),
    Pass(Duration),
}

fn steps() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..5u8, 0..8u64).prop_map(|(key, content)| Step::Begin { key, content: content / 7 }),
        3 => any::<usize>().prop_map(Step::Succeed),
        1 => any::<usize>().prop_map(Step::Fail),
        3 => any::<usize>().prop_map(Step::Poll),
        1 => any::<usize>().prop_map(Step::GiveUp),
        1 => (0..500u64).prop_map(|seconds| Step::Pass(Duration::from_secs(seconds))),
    ]
}

/// What the keys should do, written for being simple.
#[derive(Default)]
struct Model {
    /// Of each attempt its publish, and what became of it: `None` while it is under way.
    attempts: Vec<(Idempotency, Option<Result<Outcome, ()>>)>,
    /// The publishes that are remembered, with the time from which on they are not.
    published: Vec<(Idempotency, Outcome, Instant)>,
    counts: IdempotencyCounts,
}

#[derive(Debug, PartialEq)]
enum Expected {
    First,
    Repeat(Outcome),
    Reused,
    /// It waits for this attempt.
    Waits(usize),
}

impl Model {
    fn begin(&mut self, publish: Idempotency, now: Instant) -> Expected {
        self.published.retain(|(_, _, expires)| *expires > now);
        let under_way = self
            .attempts
            .iter()
            .position(|(attempt, outcome)| attempt.key == publish.key && outcome.is_none())
            .map(|attempt| (self.attempts[attempt].0, Expected::Waits(attempt)));
        let published = self.published.iter().find(|(known, ..)| known.key == publish.key);
        let known = under_way.or_else(|| published.map(|(publish, outcome, _)| (*publish, Expected::Repeat(*outcome))));
        match known {
            None => {
                self.attempts.push((publish, None));
                Expected::First
            }
            Some((known, _)) if known != publish => Expected::Reused,
            Some((_, expected)) => {
                self.counts.duplicates += u64::from(matches!(expected, Expected::Repeat(_)));
                expected
            }
        }
    }

    fn succeed(&mut self, attempt: usize, outcome: Outcome, most: usize, now: Instant) {
        self.published.retain(|(_, _, expires)| *expires > now);
        self.attempts[attempt].1 = Some(Ok(outcome));
        self.published.push((self.attempts[attempt].0, outcome, now + WINDOW));
        if self.published.len() > most {
            self.published.remove(0);
            self.counts.evicted += 1;
        }
    }

    /// What a repeat gets next that waited for this attempt.
    fn poll(&mut self, attempt: usize, now: Instant) -> Expected {
        match self.attempts[attempt] {
            (_, None) => Expected::Waits(attempt),
            (_, Some(Ok(outcome))) => {
                self.counts.duplicates += 1;
                Expected::Repeat(outcome)
            }
            (publish, Some(Err(()))) => self.begin(publish, now),
        }
    }
}

/// Runs the steps against the keys and the model, and compares every answer.
fn run(steps: Vec<Step>, most: usize) {
    let mut now = Instant::now();
    let keys = Keys::new(limits(most), now);
    let mut model = Model::default();
    let mut attempts: Vec<(usize, Attempt)> = Vec::new();
    let mut waiting: Vec<(usize, Beginning)> = Vec::new();
    let mut number = 0;
    for step in steps {
        let (expected, mut beginning) = match step {
            Step::Begin { key, content } => {
                (model.begin(publish(key, content), now), begin(&keys, publish(key, content), now))
            }
            Step::Poll(which) if !waiting.is_empty() => {
                let (attempt, beginning) = waiting.swap_remove(which % waiting.len());
                (model.poll(attempt, now), beginning)
            }
            Step::Succeed(which) if !attempts.is_empty() => {
                let (attempt, open) = attempts.swap_remove(which % attempts.len());
                number += 1;
                let (id, position) = outcome(number);
                open.published(id, position, now);
                model.succeed(attempt, (id, position), most, now);
                continue;
            }
            Step::Fail(which) if !attempts.is_empty() => {
                let (attempt, open) = attempts.swap_remove(which % attempts.len());
                drop(open);
                model.attempts[attempt].1 = Some(Err(()));
                continue;
            }
            Step::GiveUp(which) if !waiting.is_empty() => {
                drop(waiting.swap_remove(which % waiting.len()));
                continue;
            }
            // A repeat that waited is judged by the time at which it came, which the model does not keep.
            Step::Pass(time) if waiting.is_empty() => {
                now += time;
                continue;
            }
            _ => continue,
        };
        match (poll(&mut beginning), expected) {
            (Poll::Ready(Ok(Begun::First(attempt))), Expected::First) => {
                attempts.push((model.attempts.len() - 1, attempt));
            }
            (Poll::Ready(Ok(Begun::Repeat { id, position })), Expected::Repeat(outcome)) => {
                assert_eq!((id, position), outcome);
            }
            (Poll::Ready(Err(KeyReused)), Expected::Reused) => {}
            (Poll::Pending, Expected::Waits(attempt)) => waiting.push((attempt, beginning)),
            (found, expected) => panic!("expected {expected:?}, found {found:?}"),
        }
        assert_eq!(keys.counts(), model.counts);
        assert!(keys.lock().published.len() <= most);
        assert_eq!(keys.lock().under_way.len(), attempts.len());
    }
}

proptest! {
    #[test]
    fn keys_do_what_their_model_does(steps in vec(steps(), 0..120), most in 1..6usize) {
        run(steps, most);
    }
}
