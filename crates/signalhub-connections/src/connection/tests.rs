use std::time::SystemTime;

use futures_util::FutureExt;

use super::*;
use crate::close::close_frame::CloseCode;

#[tokio::test(start_paused = true)]
async fn credentials_expire_by_the_runtimes_clock_and_the_tick_at_their_end_is_not_skipped() {
    let lifetime = Duration::from_secs(90);
    let (connection, peer) = Connection::pair(Identity::user("ann").with_expiry(SystemTime::now() + lifetime));
    let expires = connection.identity().deadline();
    let mut connection = connection.closing_at(expires);
    connection.skip_ticks_for(Duration::MAX);
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

#[tokio::test]
async fn a_pair_carries_messages_and_close_frames() {
    let (mut connection, mut peer) = Connection::pair(Identity::anonymous());
    peer.send("text");
    peer.send_message(MessageKind::Binary, [0xff; 3]);
    peer.send_message(MessageKind::Text, "");
    peer.close(ClientClose::new(Some(4001), "done"));
    connection.read_messages(4).unwrap();
    let next = async |connection: &mut Connection| {
        let received = connection.receive(Intake::Open).await;
        assert_eq!(connection.receive(Intake::Paused).now_or_never(), None);
        let message = connection.input().to_vec();
        connection.consume(message.len());
        (received, message)
    };
    let message = |kind| Received::Message { kind };
    assert_eq!(next(&mut connection).await, (message(MessageKind::Text), b"text".to_vec()));
    assert_eq!(next(&mut connection).await, (message(MessageKind::Binary), vec![0xff; 3]));
    assert_eq!(next(&mut connection).await, (message(MessageKind::Text), Vec::new()));
    assert_eq!(connection.receive(Intake::Open).await, Received::Ended(CloseReason::ClientClosed));
    assert_eq!(connection.client_close(), Some(ClientClose::new(Some(4001), "done")));
    connection.close_with(CloseReason::Finished, CloseFrame::new(CloseCode::NORMAL, "thanks")).await;
    assert_eq!(peer.close_frame(), Some(CloseFrame::new(CloseCode::NORMAL, "thanks")));
}

#[tokio::test]
async fn the_pong_of_a_pair_reaches_a_handler_that_reads_messages_behind_the_messages_before_it() {
    let (mut connection, mut peer) = Connection::pair(Identity::anonymous());
    connection.read_messages(4).unwrap();
    connection.send_ping();
    peer.send("1234");
    peer.pong();
    assert_eq!(connection.receive(Intake::Open).await, Received::Message { kind: MessageKind::Text });
    assert_eq!(connection.receive(Intake::Open).now_or_never(), None);
    connection.consume(4);
    assert_eq!(connection.receive(Intake::Open).await, Received::Pong);
    assert_eq!(connection.receive(Intake::Open).now_or_never(), None);
}

#[tokio::test]
async fn the_pong_of_a_pair_is_ignored_by_a_handler_that_reads_bytes() {
    let (mut connection, mut peer) = Connection::pair(Identity::anonymous());
    peer.pong();
    assert_eq!(connection.receive(Intake::Open).now_or_never(), None);
    assert_eq!(connection.read_messages(4), Ok(()));
    assert_eq!(connection.receive(Intake::Open).now_or_never(), None, "the pong was dropped when bytes were read");
    let (mut connection, mut peer) = Connection::pair(Identity::anonymous());
    peer.pong();
    peer.send("bytes");
    assert_eq!(connection.receive(Intake::Open).await, Received::Bytes);
    assert_eq!(connection.input(), b"bytes");
}

#[tokio::test]
async fn reading_the_rest_of_a_pair_that_sends_messages_leaves_none() {
    let (mut connection, mut peer) = Connection::pair(Identity::anonymous());
    connection.read_messages(4).unwrap();
    peer.send("one");
    peer.send("two");
    connection.read_rest();
    assert_eq!(connection.input(), b"onetwo");
    connection.consume(6);
    assert_eq!(connection.receive(Intake::Open).now_or_never(), None);
}

#[tokio::test]
async fn dropping_the_peer_while_a_message_is_not_consumed_ends_the_connection_behind_it() {
    let (mut connection, mut peer) = Connection::pair(Identity::anonymous());
    connection.read_messages(4).unwrap();
    peer.send("1");
    peer.send("2");
    assert_eq!(connection.receive(Intake::Open).await, Received::Message { kind: MessageKind::Text });
    drop(peer);
    assert_eq!(connection.receive(Intake::Open).now_or_never(), None);
    connection.consume(1);
    assert_eq!(connection.receive(Intake::Open).await, Received::Message { kind: MessageKind::Text });
    connection.consume(1);
    assert_eq!(connection.receive(Intake::Open).await, Received::Ended(CloseReason::ClientGone));
}

#[tokio::test]
async fn the_next_message_of_a_pair_waits_until_this_one_is_consumed_and_one_too_long_ends_it() {
    let (mut connection, mut peer) = Connection::pair(Identity::anonymous());
    connection.read_messages(4).unwrap();
    peer.send("1234");
    peer.send("12345");
    assert_eq!(connection.receive(Intake::Open).await, Received::Message { kind: MessageKind::Text });
    connection.consume(2);
    assert_eq!(connection.read_messages(4), Err(ReadMessagesError::PartOfMessage));
    assert_eq!(connection.receive(Intake::Open).now_or_never(), None);
    connection.consume(2);
    assert_eq!(connection.receive(Intake::Open).await, Received::Ended(CloseReason::MessageTooLong));
    assert_eq!(peer.close_frame().map(|frame| frame.code()), Some(CloseCode::MESSAGE_TOO_BIG));
}
