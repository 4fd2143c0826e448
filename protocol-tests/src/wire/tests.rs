use super::*;
use crate::script::{Act, against, say};

const SHORT: Duration = Duration::from_millis(50);

#[tokio::test]
async fn parts_are_taken_from_the_buffer() {
    let script = vec![say("head\r\n\r\nbo"), say("dy and more"), Act::HearEnd];
    against(script, async |address| {
        let mut wire = Wire::connect(&address).await.unwrap();
        assert_eq!(wire.until(b"\r\n\r\n", TIMEOUT).await.unwrap(), b"head\r\n\r\n");
        assert_eq!(wire.exactly(4, TIMEOUT).await.unwrap(), b"body");
        assert_eq!(wire.until(b"more", TIMEOUT).await.unwrap(), b" and more");
        assert!(matches!(wire.exactly(1, SHORT).await, Err(WireError::TimedOut)));
        assert!(matches!(wire.fill(Duration::ZERO).await, Err(WireError::TimedOut)));
    })
    .await;
}

#[tokio::test]
async fn an_end_is_not_a_timeout() {
    against(vec![say("half")], async |address| {
        let mut wire = Wire::connect(&address).await.unwrap();
        assert!(matches!(wire.exactly(5, TIMEOUT).await, Err(WireError::Ended)));
        assert!(!wire.fill(TIMEOUT).await.unwrap());
        assert_eq!(wire.rest(), b"half");
    })
    .await;
}

#[tokio::test]
async fn a_reset_is_an_end() {
    against(vec![Act::Hear(b"x"), Act::Reset], async |address| {
        let mut wire = Wire::connect(&address).await.unwrap();
        wire.send(b"x").await.unwrap();
        assert!(matches!(wire.until(b"x", TIMEOUT).await, Err(WireError::Ended)));
    })
    .await;
}
