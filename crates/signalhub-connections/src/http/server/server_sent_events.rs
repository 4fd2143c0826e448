//! Event streams without hyper: a small task that writes events to a socket.

use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};

use super::head::Framing;
use crate::close::{ARRIVAL_TIME, CloseReason};
use crate::limits::socket_quotas::SocketShare;
use crate::outbound::SendQueue;
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
    pub(super) socket: TcpStream,
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
) -> Option<TcpStream> {
    let send_queue = Arc::clone(events.send_queue());
    let outcome = {
        let (mut reader, writer) = socket.split();
        let overdue = async {
            // The send timeout of a slow consumer has already passed.
            if send_queue.wait_ended().await != CloseReason::SlowConsumer {
                tokio::time::sleep(LAST_MESSAGES_TIMEOUT).await;
            }
        };
        tokio::select! {
            written = write(writer, events, head, framing) => match written {
                Ok(()) if send_queue.ended() == Some(CloseReason::ServerShutdown) => Outcome::SentAway,
                Err(error) if error.kind() == io::ErrorKind::TimedOut => Outcome::Overdue,
                written => Outcome::Written(written),
            },
            () = wait_until_closed(&mut reader, &mut has_sent) => Outcome::Left,
            () = overdue => Outcome::Overdue,
        }
    };
    match outcome {
        // Bytes that the client sent during the stream were dropped, so HTTP cannot continue on the socket.
        Outcome::Written(Ok(())) if framing == Framing::Chunked && !has_sent => return Some(socket),
        Outcome::Written(_) | Outcome::Left => {}
        Outcome::SentAway => {
            // After an orderly end, some clients reconnect only once, while the server is still down, and give up.
            let (mut reader, _writer) = socket.split();
            let _ = tokio::time::timeout(ARRIVAL_TIME, wait_until_closed(&mut reader, &mut has_sent)).await;
            let _ = socket.set_zero_linger();
        }
        Outcome::Overdue => {
            let _ = socket.set_zero_linger();
        }
    }
    None
}

async fn write(writer: WriteHalf<'_>, mut events: EventStream, head: Vec<u8>, framing: Framing) -> io::Result<()> {
    let mut bytes = head;
    while let Some(event) = poll_fn(|cx| events.poll_next(cx)).await {
        framing.append(&event, &mut bytes);
        write_all(&writer, &bytes, events.send_queue()).await?;
        // An idle stream keeps no buffer.
        bytes = Vec::new();
    }
    if events.send_queue().ended() != Some(CloseReason::ServerShutdown) {
        bytes.extend_from_slice(framing.end());
    }
    write_all(&writer, &bytes, events.send_queue()).await
}

/// Writes all bytes. If the client stops reading for too long, its connection ends.
async fn write_all(writer: &WriteHalf<'_>, mut bytes: &[u8], send_queue: &SendQueue) -> io::Result<()> {
    while !bytes.is_empty() {
        match writer.try_write(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => bytes = &bytes[count..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                // An idle stream keeps no timer either.
                match Box::pin(tokio::time::timeout(send_queue.send_timeout(), writer.writable())).await {
                    Ok(writable) => writable?,
                    Err(_) => {
                        send_queue.end(CloseReason::SlowConsumer);
                        return Err(io::ErrorKind::TimedOut.into());
                    }
                }
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Waits until the client closes its side. Clients send nothing before the stream ends; bytes that one does send are
/// dropped.
async fn wait_until_closed(reader: &mut ReadHalf<'_>, has_sent: &mut bool) {
    while reader.readable().await.is_ok() {
        match drop_bytes(reader) {
            Ok(0) => return,
            Ok(_) => *has_sent = true,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => return,
        }
    }
}

/// A function of its own, so that the buffer takes no memory of the task while it waits.
fn drop_bytes(reader: &ReadHalf<'_>) -> io::Result<usize> {
    reader.try_read(&mut [0; 512])
}
