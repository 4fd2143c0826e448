use std::future::pending;

use super::*;
use crate::CloseReason;
use crate::outbound::{Outlet, QueueLimits};

const HEADER: Duration = Duration::from_secs(10);
const IDLE: Duration = Duration::from_secs(130);
const SEND: Duration = Duration::from_secs(20);

const TIMES: Times = Times { header: HEADER, idle: IDLE, send: SEND };

/// Drives a connection that does nothing, and gives back what for and after how long it was given up.
async fn given_up(pace: &Pace) -> (Overdue, Duration) {
    let start = Instant::now();
    let outcome: Result<(), Overdue> = pace.drive(std::pin::pin!(pending())).await;
    (outcome.unwrap_err(), start.elapsed())
}

#[tokio::test(start_paused = true)]
async fn a_head_has_less_time_than_the_silence_between_requests() {
    let pace = Pace::new(TIMES);
    assert_eq!(given_up(&pace).await, (Overdue::Head, HEADER), "a new socket that says nothing");
    drop(pace.request());
    assert_eq!(given_up(&pace).await, (Overdue::Request, IDLE));
    drop(pace.request());
    pace.bytes_came();
    assert_eq!(given_up(&pace).await, (Overdue::Head, HEADER));
}

#[tokio::test(start_paused = true)]
async fn bytes_that_trickle_in_give_no_more_time() {
    let pace = Pace::new(TIMES);
    drop(pace.request());
    let start = Instant::now();
    let mut interval = tokio::time::interval(Duration::from_secs(3));
    let trickle = async {
        loop {
            interval.tick().await;
            pace.bytes_came();
        }
    };
    let outcome: Result<(), Overdue> = pace.drive(std::pin::pin!(trickle)).await;
    assert_eq!((outcome, start.elapsed()), (Err(Overdue::Head), HEADER));
}

#[tokio::test(start_paused = true)]
async fn a_response_may_take_its_time() {
    let pace = Pace::new(TIMES);
    let (first, second) = (pace.request(), pace.request());
    let hour = async { tokio::time::sleep(Duration::from_secs(3600)).await };
    assert_eq!(pace.drive(std::pin::pin!(hour)).await, Ok(()));
    drop(first);
    pace.bytes_came();
    assert_eq!(pace.lock().due(&TIMES), Due::Never);
    drop(second);
    assert_eq!(pace.lock().due(&TIMES), Due::At(Instant::now() + IDLE));
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_not_read_is_given_up() {
    let pace = Pace::new(TIMES);
    let busy = pace.request();
    pace.blocked();
    assert_eq!(given_up(&pace).await, (Overdue::Answer, SEND), "while it is made");
    drop(busy);
    pace.moved();
    pace.blocked();
    assert_eq!(given_up(&pace).await, (Overdue::Answer, SEND), "when all of it waits to be written");
    pace.flushed();
    assert_eq!(given_up(&pace).await, (Overdue::Request, IDLE - SEND), "a client that has read it may be silent");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_slowly_keeps_its_answer() {
    let pace = Pace::new(TIMES);
    let _busy = pace.request();
    let reading = async {
        for _ in 0..10 {
            pace.blocked();
            tokio::time::sleep(SEND * 9 / 10).await;
            pace.moved();
        }
    };
    assert_eq!(pace.drive(std::pin::pin!(reading)).await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_not_read_ends_with_its_connection() {
    for is_dropped in [true, false] {
        let pace = Pace::new(TIMES);
        let mut lane = Some(Arc::new(Lane::new(QueueLimits::default(), Arc::default(), Outlet::Taker)));
        let busy = pace.request();
        lane.iter().for_each(|lane| busy.answers(lane, None));
        drop(busy);
        pace.blocked();
        let start = Instant::now();
        let ending = async {
            tokio::time::sleep(Duration::from_secs(3)).await;
            lane.iter().for_each(|lane| lane.end(CloseReason::ClientClosed));
            if is_dropped {
                lane = None;
            }
            pending::<()>().await;
        };
        assert_eq!(pace.drive(std::pin::pin!(ending)).await, Err(Overdue::Answer));
        let taken = start.elapsed().as_secs();
        assert!((8..=9).contains(&taken), "{taken}");
    }
}

#[tokio::test(start_paused = true)]
async fn only_sockets_without_a_request_are_evicted() {
    let pace = Pace::new(TIMES);
    let since = pace.idle_since().unwrap();
    let busy = pace.request();
    assert!(pace.idle_since().is_none() && !pace.evict(since), "a request is answered");
    drop(busy);
    tokio::time::advance(SEND).await;
    assert!(pace.idle_since().is_none(), "an answer is on its way");
    pace.flushed();
    let since = pace.idle_since().unwrap();
    let evicting = async {
        assert!(pace.evict(since) && !pace.evict(since));
        pending::<()>().await;
    };
    assert_eq!(pace.drive(std::pin::pin!(evicting)).await, Err(Overdue::Evicted));
}

#[tokio::test(start_paused = true)]
async fn half_a_head_makes_no_socket_younger() {
    let answered = Pace::new(TIMES);
    drop(answered.request());
    answered.flushed();
    for pace in [Pace::new(TIMES), Pace::resumed(TIMES), answered] {
        let since = pace.idle_since().unwrap();
        for _ in 0..3 {
            tokio::time::advance(HEADER / 4).await;
            pace.bytes_came();
            assert_eq!(pace.idle_since(), Some(since));
        }
        assert!(pace.evict(since));
        assert_eq!(given_up(&pace).await, (Overdue::Evicted, Duration::ZERO));
    }
}

#[tokio::test(start_paused = true)]
async fn a_socket_that_has_become_busy_is_not_evicted() {
    for pace in [Pace::new(TIMES), Pace::resumed(TIMES)] {
        let since = pace.idle_since().unwrap();
        let mut busy = None;
        let serving = async {
            assert!(pace.evict(since));
            // A request is read before the task of the socket sees that it is to end.
            pace.bytes_came();
            busy = Some(pace.request());
            tokio::time::sleep(2 * IDLE).await;
        };
        assert_eq!(pace.drive(std::pin::pin!(serving)).await, Ok(()));
        assert!(!pace.evict(since) && pace.lock().due(&TIMES) == Due::Never);
        drop(busy);
        pace.flushed();
        assert_eq!(pace.lock().due(&TIMES), Due::At(Instant::now() + IDLE), "its time begins anew");
        let since = pace.idle_since().unwrap();
        assert!(pace.evict(since));
        pace.bytes_came();
        assert_eq!(given_up(&pace).await, (Overdue::Evicted, Duration::ZERO), "a part of a head is no request");
    }
}
