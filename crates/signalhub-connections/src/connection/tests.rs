use std::time::SystemTime;

use futures_util::FutureExt;

use super::*;

#[tokio::test(start_paused = true)]
async fn credentials_expire_by_the_runtimes_clock_and_the_tick_at_their_end_is_not_spared() {
    let lifetime = Duration::from_secs(90);
    let (connection, peer) = Connection::pair(Identity::user("ann").with_expiry(SystemTime::now() + lifetime));
    let expires = connection.identity().deadline();
    let mut connection = connection.closing_at(expires);
    connection.spare_ticks(Duration::MAX);
    let start = Instant::now();
    let due = async {
        loop {
            tokio::time::advance(Duration::from_secs(1)).await;
            if peer.tick() {
                return start.elapsed();
            }
        }
    };
    assert_eq!(due.await, lifetime);
    assert_eq!(connection.receive(Intake::Open).await, Received::Expired);
}

#[test]
fn credentials_of_any_end_have_a_deadline_or_never_expire() {
    assert_eq!(Identity::anonymous().deadline(), None);
    let far = SystemTime::UNIX_EPOCH + Duration::from_secs(i64::MAX as u64);
    let century = Instant::now() + Duration::from_secs(100 * 365 * 86_400);
    assert!(Identity::anonymous().with_expiry(far).deadline().is_none_or(|deadline| deadline > century));
    let past = Identity::anonymous().with_expiry(SystemTime::UNIX_EPOCH).deadline();
    assert!(past.is_some_and(|deadline| deadline <= Instant::now()));
}

#[tokio::test]
async fn dropping_the_peer_ends_its_connection() {
    let (mut connection, mut peer) = Connection::pair(Identity::anonymous());
    peer.send(b"last words");
    drop(peer);
    assert_eq!(connection.receive(Intake::Open).await, Received::Bytes);
    assert_eq!(connection.receive(Intake::Open).await, Received::Ended(CloseReason::ClientGone));

    let (mut connection, mut peer) = Connection::pair(Identity::anonymous());
    peer.end(CloseReason::ClientClosed);
    drop(peer);
    assert_eq!(connection.receive(Intake::Open).await, Received::Ended(CloseReason::ClientClosed));
}

#[tokio::test]
async fn dropping_the_peer_ends_a_connection_that_could_be_resumed() {
    let (mut connection, peer) = Connection::resumable_pair(Identity::anonymous());
    drop(peer);
    assert_eq!(connection.receive(Intake::Open).await, Received::Ended(CloseReason::ClientGone));

    let (mut connection, mut peer) = Connection::resumable_pair(Identity::anonymous());
    peer.lose();
    assert_eq!(connection.receive(Intake::Open).now_or_never(), None);
    assert!(connection.is_suspended());
    drop(peer);
    assert_eq!(connection.receive(Intake::Open).await, Received::Ended(CloseReason::ClientGone));
}
