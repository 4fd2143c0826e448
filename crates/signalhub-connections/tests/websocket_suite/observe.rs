//! The client of a case: it sends raw bytes, and parses what comes back.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::watch;

use crate::case::{self, Case, Close, FENCE, Observed, Step, Tail};

/// A case that takes this long has failed.
const LIMIT: Duration = Duration::from_secs(30);

const UPGRADE: &[u8] = b"GET /echo HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";

/// How far the answers have come, for the writer to wait for.
#[derive(Debug, Default)]
struct Progress {
    payload: usize,
    fence: bool,
    over: bool,
}

/// Runs a case at a server.
pub(crate) async fn observe(address: SocketAddr, case: Arc<Case>) -> Observed {
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.set_nodelay(true).unwrap();
    socket.write_all(UPGRADE).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(socket.read_u8().await.unwrap());
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));

    let (reader, writer) = socket.into_split();
    let (sender, progress) = watch::channel(Progress::default());
    let reading = tokio::spawn(tokio::time::timeout(LIMIT, read(reader, sender)));
    let writer = write(writer, &case, progress).await;
    let observed = reading.await.unwrap();
    drop(writer);
    observed.unwrap_or(Observed { unexpected: true, ..Observed::default() })
}

/// Sends the bytes of the case. Errors are ignored once the server has ended the connection.
async fn write(mut writer: OwnedWriteHalf, case: &Case, mut progress: watch::Receiver<Progress>) -> OwnedWriteHalf {
    for step in &case.steps {
        match step {
            Step::Write(bytes) => drop(writer.write_all(bytes).await),
            Step::Pieces(bytes, length) => {
                for piece in bytes.chunks(*length) {
                    if writer.write_all(piece).await.is_err() {
                        break;
                    }
                }
            }
            Step::Echoed(length) => {
                drop(progress.wait_for(|progress| progress.payload >= *length || progress.over).await);
            }
        }
    }
    if case.tail == Tail::Fence {
        // The pong is sent when the ping is read, the echo before the next read: so the Close comes behind all echoes.
        drop(writer.write_all(&case::ping(FENCE)).await);
        drop(progress.wait_for(|progress| progress.fence || progress.over).await);
        drop(writer.write_all(&case::close(1000, "")).await);
    } else {
        drop(writer.shutdown().await);
    }
    writer
}

/// Reads frames until the end, which may be a reset where the server left something unread.
async fn read(reader: OwnedReadHalf, progress: watch::Sender<Progress>) -> Observed {
    let mut reader = tokio::io::BufReader::with_capacity(64 * 1024, reader);
    let mut observed = Observed::default();
    while let Ok((first, payload)) = read_frame(&mut reader).await {
        if observed.close != Close::Missing {
            observed.unexpected = true;
        }
        match (first, payload.as_slice()) {
            (0x81 | 0x82, payload) => observed.payload.extend_from_slice(payload),
            (0x8a, FENCE) => progress.send_modify(|progress| progress.fence = true),
            (0x8a, payload) => observed.pongs.push(payload.to_vec()),
            (0x88, []) => observed.close = Close::Empty,
            (0x88, [high, low, ..]) => observed.close = Close::Code(u16::from_be_bytes([*high, *low])),
            _ => observed.unexpected = true,
        }
        progress.send_modify(|progress| progress.payload = observed.payload.len());
    }
    progress.send_modify(|progress| progress.over = true);
    observed
}

/// Reads one frame of a server: its first byte and its payload.
async fn read_frame(reader: &mut (impl AsyncRead + Unpin)) -> std::io::Result<(u8, Vec<u8>)> {
    let first = reader.read_u8().await?;
    // A masked frame would look longer than any that is sent here, and the missing frames would fail the case.
    let length = match reader.read_u8().await? {
        126 => u64::from(reader.read_u16().await?),
        127 => reader.read_u64().await?,
        length => u64::from(length),
    };
    let mut payload = Vec::new();
    reader.take(length).read_to_end(&mut payload).await?;
    Ok((first, payload))
}
