use super::*;
use crate::transport::inbox::Inbox;
use crate::transport::io::Io;
use crate::transport::long_polling::{Polled, Polls};
use crate::transport::server_sent_events::EventStream;

/// A queue whose frames are taken by polls or by an event stream.
fn taken_queue(writer: Writer) -> Arc<SendQueue> {
    Arc::new(SendQueue::new(QueueLimits::default(), Arc::default(), Arc::default(), writer))
}

#[tokio::test]
async fn an_empty_queue_is_flushed_at_once() {
    let (socket_queue, _socket, _client) = socket_and_queue().await;
    for queue in [socket_queue, taken_queue(Writer::Poll), taken_queue(Writer::Stream)] {
        assert_eq!(Outbound::new(Arc::clone(&queue)).flushed().now_or_never(), Some(Flushed::Written));
        assert!(!queue.lock().is_watched(), "nothing is left behind");
    }
}

#[tokio::test]
async fn what_the_socket_does_not_take_is_flushed_when_the_client_has_read() {
    let (send_queue, socket, mut client) = socket_and_queue().await;
    let outbound = Outbound::new(Arc::clone(&send_queue));
    let mut sent = 0;
    while !outbound.has_backlog() {
        outbound.send(&text(1000)).unwrap();
        sent += text(1000).len();
    }
    let mut flushed = outbound.flushed();
    let mut io = Io::Tcp { socket, _share: None };
    assert!(poll_fn(|cx| Poll::Ready(io.poll_drain(cx, &send_queue).is_pending())).await);
    assert_eq!((&mut flushed).now_or_never(), None);
    let mut bytes = vec![0; sent];
    let drained = poll_fn(|cx| io.poll_drain(cx, &send_queue));
    let (drained, read) = tokio::join!(drained, client.read_exact(&mut bytes));
    drained.unwrap();
    read.unwrap();
    assert_eq!(flushed.await, Flushed::Written);
    assert!(!send_queue.lock().is_watched(), "nothing is left behind");
}

#[tokio::test]
async fn frames_that_are_sent_after_the_call_are_not_waited_for() {
    let send_queue = taken_queue(Writer::Poll);
    let outbound = Outbound::new(Arc::clone(&send_queue));
    outbound.send(&text(1)).unwrap();
    outbound.send(&text(2)).unwrap();
    let mut first = outbound.flushed();
    outbound.send(&text(3)).unwrap();
    let mut second = outbound.flushed();
    send_queue.take(1, usize::MAX).await;
    assert_eq!((&mut first).now_or_never(), None);
    send_queue.take(1, usize::MAX).await;
    assert_eq!((first.now_or_never(), (&mut second).now_or_never()), (Some(Flushed::Written), None));
    send_queue.take(1, usize::MAX).await;
    assert_eq!(second.await, Flushed::Written);
}

#[tokio::test]
async fn a_poll_flushes_what_it_takes() {
    let send_queue = taken_queue(Writer::Poll);
    let outbound = Outbound::new(Arc::clone(&send_queue));
    let polls = Polls::new(Inbox::new(Arc::clone(&send_queue)), Duration::from_secs(90), Duration::from_secs(15));
    outbound.send(&text(5)).unwrap();
    let mut flushed = outbound.flushed();
    assert_eq!((&mut flushed).now_or_never(), None);
    assert!(matches!(polls.poll().await, Polled::Data(_)));
    assert_eq!(flushed.await, Flushed::Written);
}

#[tokio::test]
async fn an_event_stream_flushes_what_it_takes() {
    let send_queue = taken_queue(Writer::Stream);
    let outbound = Outbound::new(Arc::clone(&send_queue));
    let mut stream = EventStream::new(Inbox::new(Arc::clone(&send_queue)));
    outbound.send(&text(5)).unwrap();
    let mut flushed = outbound.flushed();
    let opening = poll_fn(|cx| stream.poll_next(cx)).await.unwrap();
    assert_eq!((&opening[..], (&mut flushed).now_or_never()), (&b":\r\n"[..], None));
    poll_fn(|cx| stream.poll_next(cx)).await.unwrap();
    assert_eq!(flushed.await, Flushed::Written);
}

#[tokio::test]
async fn the_end_of_the_connection_ends_the_wait() {
    for disconnects in [false, true] {
        let send_queue = taken_queue(Writer::Poll);
        let outbound = Outbound::new(Arc::clone(&send_queue));
        outbound.send(&text(1)).unwrap();
        let flushed = outbound.flushed();
        if disconnects {
            send_queue.disconnect();
        } else {
            send_queue.finish(Some(&text(2)), CloseReason::Finished);
        }
        assert_eq!(flushed.await, Flushed::Ended);
        assert_eq!(outbound.flushed().await, Flushed::Ended, "of a connection that has ended");
        assert!(!send_queue.lock().is_watched(), "nothing is left behind");
    }
}

#[tokio::test]
async fn the_wait_ends_when_nothing_holds_the_queue_any_more() {
    let send_queue = taken_queue(Writer::Poll);
    let outbound = Outbound::new(send_queue);
    outbound.send(&text(1)).unwrap();
    let flushed = outbound.flushed();
    drop(outbound);
    assert_eq!(flushed.await, Flushed::Ended);
}

#[tokio::test]
async fn while_the_client_is_away_the_wait_goes_on_until_the_retained_frames_are_written() {
    let (send_queue, _socket, _client) = socket_and_queue().await;
    send_queue.set_writer(Writer::Poll);
    let outbound = Outbound::new(Arc::clone(&send_queue));
    outbound.retain(1 << 20);
    outbound.send(&text(1)).unwrap();
    outbound.send(&text(2)).unwrap();
    let mut before = outbound.flushed();
    send_queue.take(1, usize::MAX).await;
    send_queue.suspend();
    outbound.send(&text(3)).unwrap();
    let mut meanwhile = outbound.flushed();
    assert_eq!(((&mut before).now_or_never(), (&mut meanwhile).now_or_never()), (None, None));
    // The opening and all three frames.
    outbound.resume(Some(&text(50)));
    send_queue.take(3, usize::MAX).await;
    assert_eq!(((&mut before).now_or_never(), (&mut meanwhile).now_or_never()), (None, None));
    send_queue.take(1, usize::MAX).await;
    assert_eq!((before.await, meanwhile.await), (Flushed::Written, Flushed::Written));
}

#[tokio::test]
async fn a_client_that_does_not_come_back_ends_the_wait() {
    let send_queue = taken_queue(Writer::Poll);
    let outbound = Outbound::new(Arc::clone(&send_queue));
    outbound.retain(1 << 20);
    send_queue.suspend();
    let mut flushed = outbound.flushed();
    assert_eq!((&mut flushed).now_or_never(), None, "nothing is queued, but nothing could be written");
    send_queue.end(CloseReason::ClientGone);
    assert_eq!(flushed.await, Flushed::Ended);
}

#[tokio::test]
async fn a_client_that_comes_back_and_has_everything_completes_the_wait() {
    let send_queue = taken_queue(Writer::Poll);
    let outbound = Outbound::new(Arc::clone(&send_queue));
    outbound.retain(1 << 20);
    send_queue.suspend();
    let flushed = outbound.flushed();
    outbound.resume(None);
    assert_eq!(flushed.await, Flushed::Written);
}

#[tokio::test]
async fn many_tasks_wait_for_one_connection() {
    let send_queue = taken_queue(Writer::Poll);
    let outbound = Outbound::new(Arc::clone(&send_queue));
    let mut waits = Vec::new();
    for _ in 0..100 {
        outbound.send(&text(1)).unwrap();
        waits.extend((0..100).map(|_| outbound.flushed()));
    }
    send_queue.take(50, usize::MAX).await;
    let mut done = 0;
    for wait in &mut waits {
        done += usize::from(tokio::task::unconstrained(wait).now_or_never().is_some());
    }
    assert_eq!(done, 5_000);
    send_queue.take(50, usize::MAX).await;
    for wait in waits.split_off(5_000) {
        assert_eq!(wait.await, Flushed::Written);
    }
    assert!(!send_queue.lock().is_watched(), "nothing is left behind");
}

#[tokio::test]
async fn waits_that_are_dropped_do_not_add_up() {
    let send_queue = taken_queue(Writer::Poll);
    let outbound = Outbound::new(Arc::clone(&send_queue));
    outbound.send(&text(1)).unwrap();
    let kept = outbound.flushed();
    for _ in 0..10_000 {
        drop(outbound.flushed());
    }
    let remembered = send_queue.lock().flushes.as_ref().map(|flushes| flushes.len());
    assert!(remembered.is_some_and(|count| count <= 8), "{remembered:?}");
    send_queue.take(1, usize::MAX).await;
    assert_eq!(kept.await, Flushed::Written);
}

#[tokio::test]
async fn the_task_of_a_stream_is_woken_to_report_what_it_has_flushed() {
    let send_queue = send_queue(1 << 20);
    let outbound = Outbound::new(Arc::clone(&send_queue));
    let mut flushed = outbound.flushed();
    assert_eq!((&mut flushed).now_or_never(), None, "only the task knows what its stream keeps");
    assert!(send_queue.signals.take(Signal::Moved));
    drain(&send_queue, 1000).await;
    send_queue.on_flushed();
    assert_eq!(flushed.await, Flushed::Written);
    outbound.send(&text(1)).unwrap();
    let mut flushed = outbound.flushed();
    drain(&send_queue, 1000).await;
    assert_eq!((&mut flushed).now_or_never(), None, "the stream may still keep it");
    send_queue.on_flushed();
    assert_eq!(flushed.await, Flushed::Written);
    assert!(!send_queue.signals.is_flush_awaited());
}
