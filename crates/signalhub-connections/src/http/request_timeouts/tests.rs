use std::future::pending;

use super::*;
use crate::close::CloseReason;
use crate::outbound::{QueueLimits, Writer};

const HEADER: Duration = Duration::from_secs(10);
const IDLE: Duration = Duration::from_secs(130);
const SEND: Duration = Duration::from_secs(20);

const TIMES: Times = Times { header: HEADER, idle: IDLE, send: SEND };

/// Drives a connection that does nothing, and gives back what for and after how long it was given up.
async fn given_up(timeouts: &RequestTimeouts) -> (Overdue, Duration) {
    let start = Instant::now();
    let outcome: Result<(), Overdue> = timeouts.drive(std::pin::pin!(pending())).await;
    (outcome.unwrap_err(), start.elapsed())
}

#[tokio::test(start_paused = true)]
async fn a_head_has_less_time_than_the_silence_between_requests() {
    let timeouts = RequestTimeouts::new(TIMES);
    assert_eq!(given_up(&timeouts).await, (Overdue::Head, HEADER), "a new socket that sends nothing");
    drop(timeouts.request());
    assert_eq!(given_up(&timeouts).await, (Overdue::Request, IDLE));
    drop(timeouts.request());
    timeouts.bytes_came();
    assert_eq!(given_up(&timeouts).await, (Overdue::Head, HEADER));
}

#[tokio::test(start_paused = true)]
async fn bytes_that_trickle_in_give_no_more_time() {
    let timeouts = RequestTimeouts::new(TIMES);
    drop(timeouts.request());
    let start = Instant::now();
    let mut interval = tokio::time::interval(Duration::from_secs(3));
    let trickle = async {
        loop {
            interval.tick().await;
            timeouts.bytes_came();
        }
    };
    let outcome: Result<(), Overdue> = timeouts.drive(std::pin::pin!(trickle)).await;
    assert_eq!((outcome, start.elapsed()), (Err(Overdue::Head), HEADER));
}

#[tokio::test(start_paused = true)]
async fn a_response_may_take_its_time() {
    let timeouts = RequestTimeouts::new(TIMES);
    let (first, second) = (timeouts.request(), timeouts.request());
    let hour = async { tokio::time::sleep(Duration::from_secs(3600)).await };
    assert_eq!(timeouts.drive(std::pin::pin!(hour)).await, Ok(()));
    drop(first);
    timeouts.bytes_came();
    assert_eq!(timeouts.lock().due(&TIMES), Due::Never);
    drop(second);
    assert_eq!(timeouts.lock().due(&TIMES), Due::At(Instant::now() + IDLE));
}

#[tokio::test(start_paused = true)]
async fn a_response_that_is_not_read_is_ended() {
    let timeouts = RequestTimeouts::new(TIMES);
    let busy = timeouts.request();
    timeouts.blocked();
    assert_eq!(given_up(&timeouts).await, (Overdue::Answer, SEND), "while it is made");
    drop(busy);
    timeouts.moved();
    timeouts.blocked();
    assert_eq!(given_up(&timeouts).await, (Overdue::Answer, SEND), "when all of it waits to be written");
    timeouts.flushed();
    assert_eq!(given_up(&timeouts).await, (Overdue::Request, IDLE - SEND), "a client that has read it may be silent");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_slowly_gets_its_response() {
    let timeouts = RequestTimeouts::new(TIMES);
    let _busy = timeouts.request();
    let reading = async {
        for _ in 0..10 {
            timeouts.blocked();
            tokio::time::sleep(SEND * 9 / 10).await;
            timeouts.moved();
        }
    };
    assert_eq!(timeouts.drive(std::pin::pin!(reading)).await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_response_that_is_not_read_ends_with_its_connection() {
    for is_dropped in [true, false] {
        let timeouts = RequestTimeouts::new(TIMES);
        let mut send_queue =
            Some(Arc::new(SendQueue::new(QueueLimits::default(), Arc::default(), Arc::default(), Writer::Poll)));
        let busy = timeouts.request();
        send_queue.iter().for_each(|send_queue| busy.answers(send_queue, None));
        drop(busy);
        timeouts.blocked();
        let start = Instant::now();
        let ending = async {
            tokio::time::sleep(Duration::from_secs(3)).await;
            send_queue.iter().for_each(|send_queue| send_queue.end(CloseReason::ClientClosed));
            if is_dropped {
                send_queue = None;
            }
            pending::<()>().await;
        };
        assert_eq!(timeouts.drive(std::pin::pin!(ending)).await, Err(Overdue::Answer));
        let taken = start.elapsed().as_secs();
        assert!((8..=9).contains(&taken), "{taken}");
    }
}

#[tokio::test(start_paused = true)]
async fn only_sockets_without_a_request_are_evicted() {
    let timeouts = RequestTimeouts::new(TIMES);
    let since = timeouts.idle_since().unwrap();
    let busy = timeouts.request();
    assert!(timeouts.idle_since().is_none() && !timeouts.evict(since), "a request is answered");
    drop(busy);
    tokio::time::advance(SEND).await;
    assert!(timeouts.idle_since().is_none(), "an answer is on its way");
    timeouts.flushed();
    let since = timeouts.idle_since().unwrap();
    let evicting = async {
        assert!(timeouts.evict(since) && !timeouts.evict(since));
        pending::<()>().await;
    };
    assert_eq!(timeouts.drive(std::pin::pin!(evicting)).await, Err(Overdue::Evicted));
}

#[tokio::test(start_paused = true)]
async fn a_part_of_a_head_does_not_end_the_idle_time() {
    let answered = RequestTimeouts::new(TIMES);
    drop(answered.request());
    answered.flushed();
    for timeouts in [RequestTimeouts::new(TIMES), RequestTimeouts::resumed(TIMES), answered] {
        let since = timeouts.idle_since().unwrap();
        for _ in 0..3 {
            tokio::time::advance(HEADER / 4).await;
            timeouts.bytes_came();
            assert_eq!(timeouts.idle_since(), Some(since));
        }
        assert!(timeouts.evict(since));
        assert_eq!(given_up(&timeouts).await, (Overdue::Evicted, Duration::ZERO));
    }
}

#[tokio::test(start_paused = true)]
async fn a_socket_that_has_become_busy_is_not_evicted() {
    for timeouts in [RequestTimeouts::new(TIMES), RequestTimeouts::resumed(TIMES)] {
        let since = timeouts.idle_since().unwrap();
        let mut busy = None;
        let serving = async {
            assert!(timeouts.evict(since));
            // A request is read before the task of the socket sees that it is to end.
            timeouts.bytes_came();
            busy = Some(timeouts.request());
            tokio::time::sleep(2 * IDLE).await;
        };
        assert_eq!(timeouts.drive(std::pin::pin!(serving)).await, Ok(()));
        assert!(!timeouts.evict(since) && timeouts.lock().due(&TIMES) == Due::Never);
        drop(busy);
        timeouts.flushed();
        assert_eq!(timeouts.lock().due(&TIMES), Due::At(Instant::now() + IDLE), "its time begins anew");
        let since = timeouts.idle_since().unwrap();
        assert!(timeouts.evict(since));
        timeouts.bytes_came();
        assert_eq!(given_up(&timeouts).await, (Overdue::Evicted, Duration::ZERO), "a part of a head is no request");
    }
}
