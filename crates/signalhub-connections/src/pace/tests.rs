use std::future::pending;

use super::*;

const HEADER: Duration = Duration::from_secs(10);
const IDLE: Duration = Duration::from_secs(130);

/// Drives a connection that does nothing, and gives back what for and after how long it was given up.
async fn given_up(pace: &Pace) -> (Overdue, Duration) {
    let start = Instant::now();
    let outcome: Result<(), Overdue> = pace.drive(std::pin::pin!(pending())).await;
    (outcome.unwrap_err(), start.elapsed())
}

#[tokio::test(start_paused = true)]
async fn a_head_has_less_time_than_the_silence_between_requests() {
    let pace = Pace::new(HEADER, IDLE);
    assert_eq!(given_up(&pace).await, (Overdue::Head, HEADER), "a new socket that says nothing");
    drop(pace.request());
    assert_eq!(given_up(&pace).await, (Overdue::Request, IDLE));
    drop(pace.request());
    pace.bytes_came();
    assert_eq!(given_up(&pace).await, (Overdue::Head, HEADER));
}

#[tokio::test(start_paused = true)]
async fn bytes_that_trickle_in_give_no_more_time() {
    let pace = Pace::new(HEADER, IDLE);
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
    let pace = Pace::new(HEADER, IDLE);
    let (first, second) = (pace.request(), pace.request());
    let hour = async { tokio::time::sleep(Duration::from_secs(3600)).await };
    assert_eq!(pace.drive(std::pin::pin!(hour)).await, Ok(()));
    drop(first);
    pace.bytes_came();
    assert_eq!(pace.deadline(), None);
    drop(second);
    assert_eq!(pace.deadline(), Some((Instant::now() + IDLE, Overdue::Request)));
}
