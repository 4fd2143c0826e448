//! A network between a node and its Redis server: slow, or cut, and a server that can wait for its disk.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::test_server::TestServer;

/// How often a slow network passes bytes on.
const TICK: Duration = Duration::from_millis(10);

/// What connects a node with its server.
#[derive(Debug)]
pub(super) struct Proxy {
    port: u16,
    is_cut: watch::Sender<bool>,
    has_disk: Arc<AtomicBool>,
    accepted: Arc<AtomicUsize>,
    frozen: Arc<AtomicUsize>,
    _accepting: JoinSet<()>,
}

impl Proxy {
    /// A network that passes this number of bytes on in a second, on each connection. It answers `WAITAOF`, which servers before 7.2 do
    /// not know, as if everything were on the disk at once.
    pub(super) async fn start(server: &TestServer, bytes_per_second: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (port, target) = (listener.local_addr().unwrap().port(), server.port());
        let (is_cut, cut) = watch::channel(false);
        let has_disk = Arc::new(AtomicBool::new(true));
        let (accepted, frozen) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let (disk, mut accepting) = (Arc::clone(&has_disk), JoinSet::new());
        let (count, first_alive) = (Arc::clone(&accepted), Arc::clone(&frozen));
        accepting.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (client, _) = listener.accept().await.unwrap();
                if *cut.borrow() {
                    continue;
                }
                let number = count.fetch_add(1, Ordering::Relaxed);
                let first_alive = Arc::clone(&first_alive);
                let is_frozen = move || number < first_alive.load(Ordering::Relaxed);
                let (mut cut, disk) = (cut.clone(), Arc::clone(&disk));
                connections.spawn(async move {
                    let Ok(server) = TcpStream::connect(("127.0.0.1", target)).await else { return };
                    let ((from_client, to_client), (mut from_server, mut to_server)) =
                        (client.into_split(), server.into_split());
                    let passing = async {
                        tokio::select! {
                        () = pass_commands(from_client, &mut to_server, &disk, &is_frozen) => {}
                        () = pass_answers(&mut from_server, to_client, bytes_per_second, &is_frozen) => {}
                        }
                        // The server does not learn that the client has gone.
                        if is_frozen() {
                            pending::<()>().await;
                        }
                    };
                    tokio::select! {
                        () = passing => {}
                        _ = cut.wait_for(|is_cut| *is_cut) => {}
                    }
                });
            }
        });
        Self { port, is_cut, has_disk, accepted, frozen, _accepting: accepting }
    }

    pub(super) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Ends all connections, and refuses further ones.
    pub(super) fn cut(&self) {
        self.is_cut.send_replace(true);
    }

    pub(super) fn mend(&self) {
        self.is_cut.send_replace(false);
    }

    /// Nothing comes through the connections that are open now any more, and they are not closed.
    pub(super) fn freeze(&self) {
        self.frozen.store(self.accepted.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    /// From now on nothing comes to the disk in time.
    pub(super) fn lose_disk(&self) {
        self.has_disk.store(false, Ordering::Relaxed);
    }
}

async fn pass_answers(
    from: &mut OwnedReadHalf,
    mut to: OwnedWriteHalf,
    bytes_per_second: usize,
    is_frozen: &impl Fn() -> bool,
) {
    let mut buffer = vec![0; (bytes_per_second / 100).clamp(1, 65_536)];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        if is_frozen() {
            pending::<()>().await;
        }
        if to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
        // A short answer passes at once.
        if count == buffer.len() {
            sleep(TICK).await;
        }
    }
}

/// Passes commands on, and a script in the place of each `WAITAOF`.
async fn pass_commands(
    mut from: OwnedReadHalf,
    to: &mut OwnedWriteHalf,
    has_disk: &AtomicBool,
    is_frozen: &impl Fn() -> bool,
) {
    let (mut waiting, mut buffer) = (Vec::new(), vec![0; 65_536]);
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        if is_frozen() {
            pending::<()>().await;
        }
        waiting.extend_from_slice(&buffer[..count]);
        while let Some((len, first)) = command(&waiting) {
            let command: Vec<u8> = waiting.drain(..len).collect();
            let sent = if first == b"WAITAOF" {
                let script = if has_disk.load(Ordering::Relaxed) { "return {1,0}" } else { "return {0,0}" };
                to.write_all(format!("*3\r\n$4\r\nEVAL\r\n$12\r\n{script}\r\n$1\r\n0\r\n").as_bytes()).await
            } else {
                to.write_all(&command).await
            };
            if sent.is_err() {
                return;
            }
        }
    }
}

/// The length of the first command, and its name, if the whole of it is there.
fn command(bytes: &[u8]) -> Option<(usize, Vec<u8>)> {
    let number = |from: usize| {
        let len = bytes.get(from..)?.windows(2).position(|pair| pair == b"\r\n")?;
        let text = std::str::from_utf8(&bytes[from + 1..from + len]).unwrap();
        Some((text.parse::<usize>().unwrap(), from + len + 2))
    };
    let (items, mut at) = number(0)?;
    let mut first = None;
    for _ in 0..items {
        let (len, begin) = number(at)?;
        let item = bytes.get(begin..begin + len)?;
        first.get_or_insert_with(|| item.to_vec());
        at = begin + len + 2;
    }
    (at <= bytes.len()).then_some((at, first?))
}
