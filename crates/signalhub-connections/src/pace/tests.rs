use std::future::pending;

use super::*;

const HEADER: Duration = Duration::from_secs(10);
const IDLE: Duration = Duration::from_secs(130);

/// Drives a connection that does nothing, and gives back after how long it was given up.
async fn given_up_after(pace: &Pace) -> Duration {
    let start = Instant::now();
    let outcome: Option<()> = pace.drive(std::pin::pin!(pending())).await;
    assert_eq!(outcome, None);
    start.elapsed()
}

#[tokio::test(start_paused = true)]
async fn a_head_has_less_time_than_the_silence_between_requests() {
    let pace = Pace::new(HEADER, IDLE);
    assert_eq!(given_up_after(&pace).await, HEADER, "a new socket that says nothing");
    drop(pace.request());
    assert_eq!(given_up_after(&pace).await, IDLE);
    drop(pace.request());
    pace.bytes_came();
    assert_eq!(given_up_after(&pace).await, HEADER);
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
    let outcome: Option<()> = pace.drive(std::pin::pin!(trickle)).await;
    assert_eq!((outcome, start.elapsed()), (None, HEADER));
}

#[tokio::test(start_paused = true)]
async fn a_response_may_take_its_time() {
    let pace = Pace::new(HEADER, IDLE);
    let (first, second) = (pace.request(), pace.request());
    let hour = async { tokio::time::sleep(Duration::from_secs(3600)).await };
    assert_eq!(pace.drive(std::pin::pin!(hour)).await, Some(()));
    drop(first);
    pace.bytes_came();
    assert_eq!(pace.deadline(), None);
    drop(second);
    assert_eq!(pace.deadline(), Some(Instant::now() + IDLE));
}
