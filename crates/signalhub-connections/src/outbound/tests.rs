mod backlog;
mod flushes;
mod traffic;
mod waking;

use std::io;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::poll_fn;
use socket2::SockRef;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::Instant;

use super::limits::cost;
use super::*;
use crate::close::CloseReason;
use crate::frame::{Frame, Frames};
use crate::intake::Intake;
use crate::outbound::signals::Signal;
use crate::shared_socket::SharedSocket;
use crate::websocket_codec::MessageKind;

fn text(len: usize) -> Frame {
    Frame::new(MessageKind::Text, &vec![b'x'; len])
}

fn send_queue(bytes: usize) -> Arc<SendQueue> {
    Arc::new(SendQueue::new(
        QueueLimits { bytes, stall: Duration::from_secs(10) },
        Arc::default(),
        Arc::default(),
        Writer::Task,
    ))
}

/// Drains a send_queue through a transport that takes `portion` bytes a write, and gives back what went through.
async fn drain(send_queue: &SendQueue, portion: usize) -> Vec<u8> {
    let mut written = Vec::new();
    let drained = poll_fn(|cx| {
        send_queue.poll_drain(cx, |_, slices| {
            let all: Vec<u8> = slices.iter().flat_map(|slice| slice.to_vec()).collect();
            let taken = portion.min(all.len());
            written.extend_from_slice(&all[..taken]);
            Poll::Ready(Ok(taken))
        })
    });
    drained.await.unwrap();
    written
}

#[tokio::test]
async fn frames_leave_in_order_however_little_a_write_takes() {
    for portion in [1, 2, 3, 7, 100, 100_000] {
        let send_queue = send_queue(1 << 20);
        let outbound = Outbound::new(Arc::clone(&send_queue));
        let frames: Vec<_> = (0..200).map(text).collect();
        frames.iter().for_each(|frame| outbound.send(frame).unwrap());
        let expected: Vec<u8> = frames.iter().flat_map(|frame| frame.as_bytes().to_vec()).collect();
        assert_eq!(drain(&send_queue, portion).await, expected, "with {portion} bytes a write");
        assert_eq!(send_queue.lock().bytes, 0);
    }
}

fn joined(lens: std::ops::Range<usize>) -> Frames {
    Frames::from_bytes(lens.flat_map(|len| text(len).as_bytes().to_vec()).collect())
}

/// A send queue that writes to a socket of few bytes, and the client's end of it.
async fn socket_and_queue() -> (Arc<SendQueue>, Arc<TcpStream>, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpSocket::new_v4().unwrap();
    client.set_recv_buffer_size(4096).unwrap();
    let client = client.connect(listener.local_addr().unwrap()).await.unwrap();
    let (socket, _) = listener.accept().await.unwrap();
    SockRef::from(&socket).set_send_buffer_size(4096).unwrap();
    let (socket, send_queue) = (Arc::new(socket), send_queue(1 << 30));
    send_queue.set_writer(Writer::Socket(SharedSocket::Plain(Arc::clone(&socket))));
    (send_queue, socket, client)
}

#[tokio::test]
async fn frames_that_are_sent_together_go_in_order_whatever_the_socket_takes() {
    let (send_queue, socket, mut client) = socket_and_queue().await;
    let outbound = Outbound::new(Arc::clone(&send_queue));
    let mut expected = 0;
    // All at once, then some of it, then nothing, because the client does not read.
    while expected < 1 << 20 || !outbound.has_backlog() {
        let frames = joined(0..300);
        expected += frames.as_bytes().len();
        outbound.send_all(&frames).unwrap();
        outbound.send(&text(7)).unwrap();
        expected += text(7).len();
    }
    let one_round = [joined(0..300).as_bytes().to_vec(), text(7).as_bytes().to_vec()].concat();
    let reader = tokio::spawn(async move {
        let mut bytes = vec![0; expected];
        client.read_exact(&mut bytes).await.unwrap();
        bytes
    });
    while outbound.has_backlog() {
        socket.writable().await.unwrap();
        let drained = poll_fn(|cx| {
            Poll::Ready(send_queue.poll_drain(cx, |_, slices| match socket.try_write_vectored(slices) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
                result => Poll::Ready(result),
            }))
        });
        let _ = drained.await;
    }
    let bytes = reader.await.unwrap();
    assert!(bytes.chunks(one_round.len()).all(|round| round == one_round));
}

#[tokio::test]
async fn frames_that_are_sent_together_are_kept_and_counted_one_by_one() {
    let (send_queue, ..) = socket_and_queue().await;
    let outbound = Outbound::new(Arc::clone(&send_queue));
    outbound.retain(1 << 20);
    outbound.send_all(&joined(1..6)).unwrap();
    outbound.release(3);
    assert_eq!(outbound.first_retained(), 4);
    assert!(!outbound.has_backlog());
    let narrow = self::send_queue(300);
    assert_eq!(Outbound::new(Arc::clone(&narrow)).send_all(&joined(50..60)), Err(ConnectionEnded));
    assert_eq!(narrow.ended(), Some(CloseReason::SlowConsumer));
    assert_eq!(Outbound::new(narrow).send_all(&joined(0..1)), Err(ConnectionEnded));
}

#[test]
fn overflow_ends_the_connection_as_a_slow_consumer() {
    let send_queue = send_queue(100);
    let outbound = Outbound::new(Arc::clone(&send_queue));
    outbound.send(&text(50)).unwrap();
    assert_eq!(outbound.send(&text(60)), Err(ConnectionEnded));
    assert_eq!(send_queue.ended(), Some(CloseReason::SlowConsumer));
    assert!(send_queue.signals.take(Signal::Ended));
    assert_eq!(outbound.send(&text(1)), Err(ConnectionEnded));
}

#[test]
fn a_frame_larger_than_the_limit_passes_an_empty_queue() {
    let outbound = Outbound::new(send_queue(300));
    assert_eq!(outbound.send(&text(5000)), Ok(()));
    // The limit is for what waits behind it.
    assert_eq!(outbound.send(&text(50)), Ok(()));
    assert_eq!(outbound.send(&text(50)), Ok(()));
    assert_eq!(outbound.send(&text(50)), Err(ConnectionEnded));
}

#[tokio::test]
async fn ready_waits_for_room_and_not_longer() {
    let send_queue = send_queue(1600);
    let outbound = Outbound::new(Arc::clone(&send_queue));
    outbound.ready().await;
    outbound.send(&text(500)).unwrap();
    let mut ready = Box::pin(outbound.ready());
    assert!((&mut ready).now_or_never().is_none());
    drain(&send_queue, 1000).await;
    ready.await;
}

#[tokio::test]
async fn ready_ends_with_the_connection() {
    let send_queue = send_queue(1600);
    let outbound = Outbound::new(Arc::clone(&send_queue));
    outbound.send(&text(500)).unwrap();
    let mut ready = Box::pin(outbound.ready());
    assert!((&mut ready).now_or_never().is_none());
    send_queue.end(CloseReason::ClientGone);
    ready.await;
}

#[test]
fn the_first_reason_stands() {
    let send_queue = send_queue(100);
    send_queue.end(CloseReason::ClientGone);
    send_queue.end(CloseReason::SlowConsumer);
    send_queue.finish(None, CloseReason::Finished);
    assert_eq!(send_queue.ended(), Some(CloseReason::ClientGone));
}

#[tokio::test]
async fn a_transport_that_takes_nothing_counts_as_stalled() {
    let send_queue = send_queue(1000);
    send_queue.skip_ticks_for(Duration::from_secs(15));
    assert!(!send_queue.signals.is_due());
    Outbound::new(Arc::clone(&send_queue)).send(&text(10)).unwrap();
    let blocked = poll_fn(|cx| Poll::Ready(send_queue.poll_drain(cx, |_, _| Poll::Pending))).await;
    assert!(blocked.is_pending());
    assert!(send_queue.signals.is_due(), "a stall has to be timed");
    send_queue.skip_ticks_for(Duration::from_secs(15));
    assert!(send_queue.signals.is_due());
    let now = Instant::now();
    assert!(!send_queue.is_stalled(now));
    assert!(send_queue.is_stalled(now + Duration::from_secs(11)));
    drain(&send_queue, 1000).await;
    assert!(!send_queue.is_stalled(now + Duration::from_secs(11)));
}

#[test]
fn empty_frames_count_too() {
    let outbound = Outbound::new(send_queue(10_000));
    let refused = (0..1000).position(|_| outbound.send(&text(0)).is_err());
    assert!(refused.is_some_and(|count| count < 110), "{refused:?}");
}

#[tokio::test]
async fn an_abort_refuses_frames_but_not_the_last_message() {
    let send_queue = Arc::new(SendQueue::new(QueueLimits::default(), Arc::default(), Arc::default(), Writer::Poll));
    let outbound = Outbound::new(Arc::clone(&send_queue));
    outbound.send(&text(1)).unwrap();
    outbound.abort();
    assert_eq!(outbound.send(&text(2)), Err(ConnectionEnded));
    assert_eq!(send_queue.take(9, 1 << 20).await.map(|frames| frames.len()), Some(1));
    assert!(std::pin::pin!(send_queue.take(9, 1 << 20)).now_or_never().is_none());
    send_queue.finish(Some(&text(3)), CloseReason::Aborted);
    assert_eq!(send_queue.take(9, 1 << 20).await.map(|frames| frames.len()), Some(1));
    assert_eq!(send_queue.take(9, 1 << 20).await.map(|frames| frames.len()), None);
}

#[tokio::test]
async fn unacknowledged_frames_are_written_again_in_order_behind_the_opening() {
    let send_queue = send_queue(1 << 20);
    let outbound = Outbound::new(Arc::clone(&send_queue));
    outbound.send_unretained(&text(1)).unwrap();
    outbound.retain(1000);
    for len in 2..6 {
        outbound.send(&text(len)).unwrap();
    }
    drain(&send_queue, 1000).await;
    outbound.release(2);
    assert_eq!(outbound.first_retained(), 3);
    send_queue.suspend();
    outbound.send(&text(6)).unwrap();
    outbound.send_unretained(&text(99)).unwrap();
    assert!(!outbound.has_backlog(), "nothing is written without a transport");
    outbound.resume(Some(&text(50)));
    outbound.send(&text(7)).unwrap();
    let expected: Vec<u8> = [50, 4, 5, 6, 7].into_iter().flat_map(|len| text(len).as_bytes().to_vec()).collect();
    assert_eq!(drain(&send_queue, 1000).await, expected);
}

#[test]
fn acknowledgements_of_any_number_are_taken() {
    let send_queue = send_queue(1 << 20);
    let outbound = Outbound::new(Arc::clone(&send_queue));
    outbound.retain(1000);
    for (sent, through, first) in [(3, 1, 2), (0, 0, 2), (0, 1, 2), (2, u64::MAX, 6), (1, 3, 6), (0, 6, 7)] {
        for _ in 0..sent {
            outbound.send(&text(10)).unwrap();
        }
        outbound.release(through);
        assert_eq!(outbound.first_retained(), first, "after {through}");
    }
}

#[tokio::test]
async fn ready_waits_while_too_many_frames_are_unacknowledged() {
    let send_queue = send_queue(1 << 20);
    let outbound = Outbound::new(Arc::clone(&send_queue));
    outbound.retain(100);
    outbound.send(&text(200)).unwrap();
    drain(&send_queue, 1000).await;
    let mut ready = Box::pin(outbound.ready());
    assert!((&mut ready).now_or_never().is_none());
    outbound.release(1);
    ready.await;
    outbound.send(&text(200)).unwrap();
    let mut ready = Box::pin(outbound.ready());
    assert!((&mut ready).now_or_never().is_none());
    // An acknowledgement would not be read, so nothing waits for it.
    send_queue.set_intake(Intake::Paused);
    ready.await;
}

#[test]
fn a_client_that_never_acknowledges_ends_as_a_slow_consumer() {
    let send_queue = send_queue(1000);
    let outbound = Outbound::new(Arc::clone(&send_queue));
    outbound.retain(100);
    send_queue.suspend();
    let sent = (0..).take_while(|_| outbound.send(&text(100)).is_ok()).count();
    assert_eq!(sent, 1000 / cost(&text(100)));
    assert_eq!(send_queue.ended(), Some(CloseReason::SlowConsumer));
}
