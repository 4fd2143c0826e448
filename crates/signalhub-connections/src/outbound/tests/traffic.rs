//! What connections count: bytes, deliveries and what became of them.

use super::*;
use crate::counts::traffic::{DeliveryOutcome, Traffic};
use crate::transport_kind::TransportKind;

fn counted(limit: usize, writer: Writer) -> (Arc<SendQueue>, Outbound, Arc<Traffic>) {
    let traffic = Arc::<Traffic>::default();
    let limits = QueueLimits { bytes: limit, stall: Duration::from_secs(10) };
    let send_queue = Arc::new(SendQueue::new(limits, Arc::default(), Arc::clone(&traffic), writer));
    (Arc::clone(&send_queue), Outbound::new(send_queue), traffic)
}

/// Written, expired, refused and gone.
fn outcomes(traffic: &Traffic) -> [u64; 4] {
    DeliveryOutcome::ALL.map(|outcome| traffic.deliveries(outcome))
}

fn deliver(outbound: &Outbound, lens: impl IntoIterator<Item = usize>) -> Result<Sent, ConnectionEnded> {
    outbound.deliver_each(lens.into_iter().map(|len| (text(len), Instant::now())))
}

/// Writes to a socket what is queued, until nothing is left.
async fn write_rest(send_queue: &SendQueue, socket: &TcpStream) {
    while !send_queue.lock().frames.is_empty() {
        socket.writable().await.unwrap();
        let drained = poll_fn(|cx| {
            Poll::Ready(send_queue.poll_drain(cx, |_, slices| match socket.try_write_vectored(slices) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
                result => Poll::Ready(result),
            }))
        });
        let _ = drained.await;
    }
}

#[tokio::test]
async fn each_delivery_counts_once_whether_it_was_written_at_once_in_part_or_later() {
    let (send_queue, socket, mut client) = socket_and_queue().await;
    let outbound = Outbound::new(Arc::clone(&send_queue));
    outbound.send(&text(3)).unwrap();
    assert_eq!(outbound.deliver(&text(10), Instant::now()), Ok(Sent::Written));
    assert_eq!(outbound.deliver_joined([(joined(0..4), 4)], 4, Instant::now()), Ok(Sent::Written));
    assert_eq!(deliver(&outbound, [5, 6]), Ok(Sent::Written));
    let (mut deliveries, mut bytes) = (7, text(3).len() + text(10).len() + joined(0..4).as_bytes().len() + 2 * 2 + 11);
    assert_eq!((outbound.traffic().deliveries, outbound.traffic().sent), (deliveries, bytes as u64));
    while !outbound.has_backlog() {
        // Sooner or later the socket takes a part of it.
        let _ = outbound.deliver_joined([(joined(0..300), 300)], 300, Instant::now()).unwrap();
        deliveries += 300;
        bytes += joined(0..300).as_bytes().len();
    }
    assert!(outbound.traffic().deliveries < deliveries);
    assert_eq!(outbound.deliver(&text(10), Instant::now()), Ok(Sent::Queued));
    assert_eq!(deliver(&outbound, [5, 6]), Ok(Sent::Queued));
    (deliveries, bytes) = (deliveries + 3, bytes + text(10).len() + 2 * 2 + 11);
    let reader = tokio::spawn(async move { client.read_exact(&mut vec![0; bytes]).await.map(drop) });
    write_rest(&send_queue, &socket).await;
    reader.await.unwrap().unwrap();
    let traffic = outbound.traffic();
    assert_eq!((traffic.deliveries, traffic.sent, traffic.queued_bytes), (deliveries, bytes as u64, 0));
    drop(outbound);
    let all = send_queue.traffic_of_all();
    assert_eq!((outcomes(&all), all.sent(TransportKind::WebSockets)), ([deliveries, 0, 0, 0], bytes as u64));
}

#[tokio::test]
async fn what_is_never_written_counts_by_the_reason_of_the_end() {
    for (reason, expected) in [
        (CloseReason::SlowConsumer, [1, 0, 4, 0]),
        (CloseReason::CredentialsExpired, [1, 4, 0, 0]),
        (CloseReason::ClientGone, [1, 0, 0, 4]),
    ] {
        let (send_queue, outbound, traffic) = counted(1 << 20, Writer::Task);
        deliver(&outbound, [1]).unwrap();
        drain(&send_queue, 1000).await;
        outbound.send(&text(9)).unwrap();
        deliver(&outbound, [2, 3]).unwrap();
        assert_eq!(outcomes(&traffic), [1, 0, 0, 0], "two are in flight");
        send_queue.end(reason);
        assert_eq!(outbound.deliver(&text(4), Instant::now()), Err(ConnectionEnded));
        assert_eq!(outbound.deliver_joined([(joined(5..6), 1)], 1, Instant::now()), Err(ConnectionEnded));
        send_queue.disconnect();
        assert_eq!(outcomes(&traffic), expected, "{reason:?}");
        drop((outbound, send_queue));
        assert_eq!(outcomes(&traffic), expected, "{reason:?}");
    }
}

#[tokio::test]
async fn a_burst_that_overflows_counts_as_refused_from_the_first_that_does_not_fit() {
    for retain in [false, true] {
        let (send_queue, outbound, traffic) = counted(1000, Writer::Task);
        if retain {
            outbound.retain(1 << 20);
        }
        assert_eq!(deliver(&outbound, [0; 20]), Err(ConnectionEnded));
        drain(&send_queue, 1 << 20).await;
        let [written, expired, refused, gone] = outcomes(&traffic);
        assert!(written > 5 && refused > 5, "{written} {refused}");
        assert_eq!((written + refused, expired, gone), (20, 0, 0));
        drop((outbound, send_queue));
        assert_eq!(outcomes(&traffic), [written, 0, refused, 0]);
    }
}

#[tokio::test]
async fn polls_count_what_they_take_and_its_payload() {
    let (send_queue, outbound, traffic) = counted(1 << 20, Writer::Poll);
    outbound.send(&text(100)).unwrap();
    assert_eq!(deliver(&outbound, [10, 20]), Ok(Sent::Queued));
    assert_eq!(send_queue.take(2, 1 << 20).await.map(|frames| frames.len()), Some(2));
    let counted = outbound.traffic();
    assert_eq!((counted.deliveries, counted.sent), (1, 110));
    assert_eq!(send_queue.take(2, 1 << 20).await.map(|frames| frames.len()), Some(1));
    assert_eq!((outcomes(&traffic), traffic.sent(TransportKind::LongPolling)), ([2, 0, 0, 0], 130));
}

#[tokio::test]
async fn deliveries_that_are_written_again_after_a_loss_count_once() {
    let (send_queue, outbound, traffic) = counted(1 << 20, Writer::Task);
    outbound.retain(1 << 20);
    deliver(&outbound, [1, 2]).unwrap();
    outbound.send(&text(50)).unwrap();
    drain(&send_queue, 1000).await;
    deliver(&outbound, [3]).unwrap();
    send_queue.suspend();
    deliver(&outbound, [4, 5]).unwrap();
    assert_eq!(outcomes(&traffic), [2, 0, 0, 0]);
    outbound.resume(Some(&text(9)));
    drain(&send_queue, 1000).await;
    assert_eq!(outcomes(&traffic), [5, 0, 0, 0]);
    outbound.release(100);
    send_queue.suspend();
    deliver(&outbound, [6]).unwrap();
    drop((outbound, send_queue));
    assert_eq!(outcomes(&traffic), [5, 0, 0, 1]);
}

#[test]
fn empty_deliveries_count_as_written_and_send_nothing() {
    let (_send_queue, outbound, traffic) = counted(1 << 20, Writer::Poll);
    let nothing = Frame::from_bytes(bytes::Bytes::new());
    assert_eq!(outbound.deliver(&nothing, Instant::now()), Ok(Sent::Written));
    outbound.deliver_each([(nothing, Instant::now()), (text(1), Instant::now())]).unwrap();
    outbound.deliver_joined([(joined(1..2), 1)], 4, Instant::now()).unwrap();
    assert_eq!(outcomes(&traffic), [5, 0, 0, 0]);
    drop(outbound);
}

#[test]
fn ages_are_told_by_the_tick() {
    let (send_queue, outbound, traffic) = counted(1 << 20, Writer::Poll);
    let tick = |seconds| traffic.set_clock(Instant::now() + Duration::from_secs(seconds));
    tick(100);
    send_queue.count_received(TransportKind::LongPolling, 7);
    assert_eq!(outbound.traffic().queued_for, None);
    outbound.send(&text(1)).unwrap();
    tick(130);
    outbound.send(&text(2)).unwrap();
    let counted = outbound.traffic();
    assert_eq!((counted.queued_for, counted.idle), (Some(Duration::from_secs(30)), Duration::from_secs(30)));
    assert_eq!((counted.received, counted.queued_bytes), (7, cost(&text(1)) + cost(&text(2))));
}

#[test]
fn one_of_64_queued_deliveries_is_timed_and_counts_for_all() {
    let (send_queue, outbound, traffic) = counted(1 << 20, Writer::Poll);
    deliver(&outbound, [1; 128]).unwrap();
    assert_eq!(traffic.queued_latency().count(), 0);
    assert!(std::pin::pin!(send_queue.take(usize::MAX, 1 << 20)).now_or_never().is_some());
    assert_eq!(traffic.queued_latency().count(), 128);
}
