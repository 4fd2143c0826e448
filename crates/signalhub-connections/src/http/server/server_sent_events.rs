//! Event streams without hyper: a small task that writes events to a socket.

use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::FutureExt;

use super::head::Framing;
use crate::close::{ARRIVAL_TIME, CloseReason};
use crate::limits::socket_quotas::SocketShare;
use crate::outbound::SendQueue;
use crate::transport::client_socket::ClientSocket;
use crate::transport::server_sent_events::EventStream;

/// How long a client may take to read the queued messages after its connection has ended.
const LAST_MESSAGES_TIMEOUT: Duration = Duration::from_secs(5);

/// How an event stream ended.
enum Outcome {
    /// Everything was written, or writing failed.
    Written(io::Result<()>),
    /// Everything was written, and the server stops.
    SentAway,
    /// The client closed the socket.
    Left,
    /// The client did not read in time.
    Overdue,
}

/// A socket that an event stream is written to.
pub(super) struct StreamSocket {
    pub(super) socket: ClientSocket,
    /// The head of the response, which is written first.
    pub(super) head: Vec<u8>,
    pub(super) framing: Framing,
    /// Whether the client has sent more than its request.
    pub(super) has_sent: bool,
    /// The socket's share in the quota of its client.
    pub(super) share: Option<SocketShare>,
}

/// Writes events until the connection ends or its client leaves. Returns the socket if HTTP can continue on it.
pub(super) async fn stream(
    StreamSocket { mut socket, head, framing, mut has_sent, share: _share }: StreamSocket,
    events: EventStream,
) -> Option<ClientSocket> {
    let send_queue = Arc::clone(events.send_queue());
    let outcome = {
        let overdue = async {
            // The send timeout of a slow consumer has already passed.
            if send_queue.wait_ended().await != CloseReason::SlowConsumer {
                tokio::time::sleep(LAST_MESSAGES_TIMEOUT).await;
            }
        };
        tokio::select! {
            written = write(&socket, events, head, framing) => match written {
                Ok(()) if send_queue.ended() == Some(CloseReason::ServerShutdown) => Outcome::SentAway,
                Err(error) if error.kind() == io::ErrorKind::TimedOut => Outcome::Overdue,
                written => Outcome::Written(written),
            },
            () = wait_until_closed(&socket, &mut has_sent) => Outcome::Left,
            () = overdue => Outcome::Overdue,
        }
    };
    match outcome {
        // Bytes that the client sent during the stream were dropped, so HTTP cannot continue on the socket.
        Outcome::Written(Ok(())) if framing == Framing::Chunked && !has_sent => return Some(socket),
        Outcome::Written(Ok(())) => {
            let _ = Box::pin(tokio::time::timeout(ARRIVAL_TIME, socket.close())).await;
        }
        Outcome::Written(Err(_)) | Outcome::Left => {}
        Outcome::SentAway => {
            // After an orderly end, some clients reconnect only once, while the server is still down, and give up.
            let _ = tokio::time::timeout(ARRIVAL_TIME, wait_until_closed(&socket, &mut has_sent)).await;
            socket.reset();
        }
        Outcome::Overdue => {
            socket.reset();
        }
    }
    None
}

async fn write(socket: &ClientSocket, mut events: EventStream, head: Vec<u8>, framing: Framing) -> io::Result<()> {
    let mut bytes = head;
    while let Some(event) = poll_fn(|cx| events.poll_next(cx)).await {
        framing.append(&event, &mut bytes);
        write_all(socket, &bytes, events.send_queue()).await?;
        // An idle stream keeps no buffer.
        bytes = Vec::new();
    }
    if events.send_queue().ended() != Some(CloseReason::ServerShutdown) {
        bytes.extend_from_slice(framing.end());
    }
    write_all(socket, &bytes, events.send_queue()).await
}

/// Writes all bytes. If the client stops reading for too long, its connection ends.
async fn write_all(socket: &ClientSocket, mut bytes: &[u8], send_queue: &SendQueue) -> io::Result<()> {
    loop {
        let mut writing = poll_fn(|cx| poll_write(socket, cx, bytes));
        let written = match poll_fn(|cx| Poll::Ready(writing.poll_unpin(cx))).await {
            Poll::Ready(written) => written,
            // An idle stream keeps no timer.
            Poll::Pending => match Box::pin(tokio::time::timeout(send_queue.send_timeout(), writing)).await {
                Ok(written) => written,
                Err(_) => {
                    send_queue.end(CloseReason::SlowConsumer);
                    return Err(io::ErrorKind::TimedOut.into());
                }
            },
        };
        match written? {
            Written::Part(0) => return Err(io::ErrorKind::WriteZero.into()),
            Written::Part(count) => bytes = &bytes[count..],
            Written::All => return Ok(()),
        }
    }
}

/// What one step of writing has done.
enum Written {
    Part(usize),
    All,
}

/// Writes some of the bytes. If there are none, it passes to the kernel what TLS still has.
fn poll_write(socket: &ClientSocket, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<Written>> {
    if bytes.is_empty() {
        return socket.poll_flush_shared(cx).map_ok(|()| Written::All);
    }
    socket.poll_write_shared(cx, bytes).map_ok(Written::Part)
}

/// Waits until the client closes its side. Clients send nothing before the stream ends; bytes that one does send are
/// dropped.
async fn wait_until_closed(socket: &ClientSocket, has_sent: &mut bool) {
    poll_fn(|cx| {
        while let Ok(1..) = ready!(drop_bytes(socket, cx)) {
            *has_sent = true;
        }
        Poll::Ready(())
    })
    .await;
}

/// A function of its own, so that the buffer takes no memory of the task while it waits.
fn drop_bytes(socket: &ClientSocket, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
    socket.poll_read_shared(cx, &mut [0; 512])
}
