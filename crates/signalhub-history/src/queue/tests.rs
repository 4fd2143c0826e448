use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::poll_once;
use signalhub_events::Durability;

use super::*;
use crate::testing::event;

mod futures {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    /// Polls a future that is dropped then.
    pub(super) fn poll_once<T>(future: impl Future<Output = T>) -> Poll<T> {
        pin!(future).poll(&mut Context::from_waker(Waker::noop()))
    }
}

fn append(bytes: usize) -> Append {
    Append::new(Arc::new(event("a", 1, &"x".repeat(bytes))), None, Durability::Written, |_| ())
}

fn batch(queue: &Queue) -> usize {
    match queue.take(Instant::now()) {
        Taken::Batch(batch) => batch.len(),
        Taken::Nothing => 0,
        Taken::Closed => usize::MAX,
    }
}

#[test]
fn a_full_queue_waits_and_a_dropped_append_is_not_taken() {
    let queue = Queue::new(2);
    assert!(poll_once(queue.push(append(1))).is_ready());
    assert!(poll_once(queue.push(append(1))).is_ready());
    assert!(poll_once(queue.push(append(1))).is_pending());
    assert_eq!(queue.len(), 2);
    assert_eq!(batch(&queue), 2);
    assert_eq!(queue.len(), 0);
    assert_eq!(batch(&queue), 0);
}

#[test]
fn a_batch_has_limits() {
    let queue = Queue::new(4_096);
    let check = |events: &[usize], expected: &[usize]| {
        events.iter().for_each(|bytes| assert!(poll_once(queue.push(append(*bytes))).is_ready()));
        expected.iter().for_each(|count| assert_eq!(batch(&queue), *count, "{events:?}"));
        assert_eq!(batch(&queue), 0);
    };
    check(&[0; 1_500], &[1_024, 476]);
    check(&[1 << 19, 1 << 19, 1], &[2, 1]);
    check(&[1, 2 << 20, 1], &[1, 1, 1]);
}

#[test]
fn a_closed_queue_gives_what_it_has_and_takes_nothing() {
    let queue = Queue::new(2);
    assert!(poll_once(queue.push(append(1))).is_ready());
    queue.close();
    assert!(matches!(poll_once(queue.push(append(1))), std::task::Poll::Ready(Err(LogUnavailable))));
    assert_eq!(batch(&queue), 1);
    assert_eq!(batch(&queue), usize::MAX);
}

#[test]
fn the_writer_wakes_for_an_event() {
    let queue = Queue::new(2);
    let taken = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while let Taken::Batch(batch) = queue.take(Instant::now() + Duration::from_secs(3_600)) {
                taken.fetch_add(batch.len(), Ordering::Relaxed);
            }
        });
        assert!(poll_once(queue.push(append(1))).is_ready());
        while taken.load(Ordering::Relaxed) == 0 {
            std::thread::yield_now();
        }
        queue.close();
    });
}
