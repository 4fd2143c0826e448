//! How much is queued in all, and when publishers wait.

use super::*;

const FRAME: usize = 1000;

/// A send queue whose queue holds 160 frames, ten of them freely.
fn send_queue(backlog: &Arc<Backlog>) -> Arc<SendQueue> {
    let limits = QueueLimits { bytes: 160 * cost(&text(FRAME)), ..QueueLimits::default() };
    Arc::new(SendQueue::new(limits, Arc::clone(backlog), Arc::default(), Writer::Task))
}

/// Sends frames until one is refused, and returns how many were taken.
fn fill(send_queue: &Arc<SendQueue>, most: usize) -> usize {
    let outbound = Outbound::new(Arc::clone(send_queue));
    (0..most).take_while(|_| outbound.send(&text(FRAME)).is_ok()).count()
}

/// Lets the transport take nothing, as one that is full.
async fn block(send_queue: &SendQueue) {
    let blocked = poll_fn(|cx| Poll::Ready(send_queue.poll_drain(cx, |_, _| Poll::Pending))).await;
    assert!(blocked.is_pending());
}

/// Lets the transport take one frame, and no more.
async fn take_one(send_queue: &SendQueue) {
    let mut left = text(FRAME).len();
    let _ = poll_fn(|cx| {
        Poll::Ready(send_queue.poll_drain(cx, |_, slices| match left.min(slices[0].len()) {
            0 => Poll::Pending,
            n => {
                left -= n;
                Poll::Ready(Ok(n))
            }
        }))
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_clients_that_stop_reading_have_queued_is_bounded_in_all() {
    let backlog = Arc::new(Backlog::default());
    backlog.set_limit(400 * cost(&text(FRAME)));
    let send_queues: Vec<_> = (0..100).map(|_| send_queue(&backlog)).collect();
    for send_queue in &send_queues {
        fill(send_queue, 1);
        block(send_queue).await;
    }
    tokio::time::advance(Duration::from_secs(2)).await;
    let queued: usize = send_queues.iter().map(|send_queue| 1 + fill(send_queue, 1000)).sum();
    // Half of the reserve is theirs, and each one's free share; one more frame is being written.
    assert!((1000..=100 * 11 + 200 + 1).contains(&queued), "{queued} frames");
    // Who reads has the other half.
    let reads = send_queue(&backlog);
    fill(&reads, 1);
    assert!((110..=161).contains(&fill(&reads, 150)));
    assert_eq!(reads.ended(), None);
    send_queues.iter().for_each(|send_queue| send_queue.disconnect());
    drop(reads);
    assert!(backlog.is_forgotten());
    assert_eq!(fill(&send_queue(&backlog), 1000), 161, "what they had is free again");
}

#[tokio::test(start_paused = true)]
async fn publishers_wait_for_a_client_that_is_far_behind_and_reads() {
    let readers = Readers::default();
    let send_queue = send_queue(&readers.0);
    assert_eq!(fill(&send_queue, 70), 70);
    assert_eq!(readers.wait(Duration::from_secs(1)).await, Duration::ZERO);
    fill(&send_queue, 50);
    let reading = async {
        for _ in 0..50 {
            tokio::time::sleep(Duration::from_millis(10)).await;
            take_one(&send_queue).await;
        }
    };
    let waiting = readers.wait(Duration::from_secs(1));
    let (waited, ()) = tokio::join!(waiting, reading);
    assert!((Duration::from_millis(300)..Duration::from_millis(500)).contains(&waited), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn publishers_do_not_wait_for_a_client_that_reads_nothing_or_never_catches_up() {
    let readers = Readers::default();
    let send_queue = send_queue(&readers.0);
    fill(&send_queue, 120);
    block(&send_queue).await;
    let waited = readers.wait(Duration::from_secs(60)).await;
    assert!(waited < Duration::from_millis(300), "{waited:?}");
    let mut waited = Duration::ZERO;
    for _ in 0..300 {
        tokio::time::advance(Duration::from_millis(100)).await;
        take_one(&send_queue).await;
        fill(&send_queue, 1);
        waited += readers.wait(Duration::from_millis(50)).await;
    }
    // The send timeout has passed by then.
    assert!(waited > Duration::from_secs(1) && waited < Duration::from_secs(6), "{waited:?}");
    assert_eq!(send_queue.ended(), None);
}
