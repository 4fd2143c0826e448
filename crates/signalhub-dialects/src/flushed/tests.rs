use futures_util::FutureExt;
use signalhub_connections::{Connection, Frame, Identity, MessageKind};

use super::*;

#[tokio::test]
async fn publishers_wait_until_a_connection_has_taken_what_it_was_sent_or_has_ended() {
    let (connection, mut peer) = Connection::pair(Identity::user("ann"));
    let outbound = connection.outbound();
    outbound.send(&Frame::new(MessageKind::Text, b"news")).unwrap();
    let mut written = flushed(&outbound);
    assert_eq!((&mut written).now_or_never(), None);
    peer.receive().await.unwrap();
    assert_eq!(written.await, Flushed::Written);
    outbound.send(&Frame::new(MessageKind::Text, b"more")).unwrap();
    let ended = flushed(&outbound);
    drop(connection);
    assert_eq!(ended.await, Flushed::Ended);
}
