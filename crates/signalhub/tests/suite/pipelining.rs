//! Clients that send many calls at once, over real sockets, each run from a seed: every call is answered, and every message
//! arrives.
//!
//! The seeds vary what blocks or delays a session: slow calls, uploads that no method reads yet, messages in pieces, sockets
//! that accept few bytes, streams, and messages of other clients in between. A run that fails names its seed.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use crate::seed::Seed;
use serde_json::{Value, json};
use signalhub::{Args, Endpoint, Hub, HubError, Server, Upload};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

const RUNS: u64 = 60;

/// How long a run may receive nothing before it counts as stuck.
const TIMEOUT: Duration = Duration::from_secs(10);

fn hub(parallel: usize) -> Hub {
    Hub::builder()
        .method("Echo", async |Args((text,)): Args<(String,)>| Ok::<_, HubError>(text))
        .method("Big", async |Args((len,)): Args<(usize,)>| Ok::<_, HubError>("x".repeat(len)))
        .method("Slow", async |Args((milliseconds,)): Args<(u64,)>| {
            tokio::time::sleep(Duration::from_millis(milliseconds)).await;
            Ok::<_, HubError>(milliseconds)
        })
        .method("Sum", async |mut numbers: Upload<u64>| {
            let mut sum = 0;
            while let Some(number) = numbers.next().await {
                tokio::task::yield_now().await;
                sum += number?;
            }
            Ok::<_, HubError>(sum)
        })
        .stream("Count", async |Args((count,)): Args<(u64,)>| {
            Ok::<_, HubError>(futures_util::stream::iter(
                (0..count).map(|number| Ok::<_, HubError>(number.to_string())),
            ))
        })
        .configure(|options| {
            options.maximum_parallel_invocations_per_client = parallel;
            options.stream_buffer_capacity = 2;
        })
        .build()
}

/// What a client sends, and which answers it must get.
struct Script {
    bytes: Vec<u8>,
    /// The answers by invocation id: their results, or how many items come before the end of a stream.
    owed: HashMap<String, Owed>,
}

#[derive(Debug, PartialEq)]
enum Owed {
    Result(Value),
    Items(u64),
}

impl Script {
    fn write(seed: &mut Seed, calls: u64) -> Self {
        let mut script = Self { bytes: Vec::new(), owed: HashMap::new() };
        for number in 0..calls {
            let id = number.to_string();
            let mut call = |kind: u8, target: &str, arguments: Value| {
                script.say(&json!({"type": kind, "invocationId": id, "target": target, "arguments": arguments}));
            };
            let owed = match seed.below(12) {
                0..6 => {
                    call(1, "Echo", json!([id]));
                    Owed::Result(json!(id))
                }
                6..8 => {
                    let len = seed.below(40_000);
                    call(1, "Big", json!([len]));
                    Owed::Result(json!("x".repeat(len as usize)))
                }
                8 => {
                    let milliseconds = seed.below(4);
                    call(1, "Slow", json!([milliseconds]));
                    Owed::Result(json!(milliseconds))
                }
                9 => {
                    let count = seed.below(300);
                    call(4, "Count", json!([count]));
                    Owed::Items(count)
                }
                10 => {
                    script.say(&json!({"type": 6}));
                    continue;
                }
                _ => {
                    let (stream, count) = (format!("s{number}"), seed.below(8));
                    script.say(&json!({"type": 1, "invocationId": id, "target": "Sum", "arguments": [],
                        "streamIds": [stream]}));
                    for item in 0..count {
                        script.say(&json!({"type": 2, "invocationId": stream, "item": item}));
                    }
                    script.say(&json!({"type": 3, "invocationId": stream}));
                    Owed::Result(json!((0..count).sum::<u64>()))
                }
            };
            script.owed.insert(id, owed);
        }
        script
    }

    /// Adds a message as a masked frame; the mask is zero.
    fn say(&mut self, message: &Value) {
        let record = format!("{message}\u{1e}");
        let len = u16::try_from(record.len()).unwrap();
        self.bytes.extend_from_slice(&[0x81, 0x80 | 126]);
        self.bytes.extend_from_slice(&len.to_be_bytes());
        self.bytes.extend_from_slice(&[0; 4]);
        self.bytes.extend_from_slice(record.as_bytes());
    }

    /// Removes a message of the server from the answers that are owed. Messages of other clients are counted.
    fn on_message(&mut self, message: &Value, received: &mut u64) {
        match message["type"].as_u64() {
            Some(1) => *received += 1,
            Some(2) => match self.owed.get_mut(message["invocationId"].as_str().unwrap()) {
                Some(Owed::Items(left)) => *left -= 1,
                owed => panic!("an item for {owed:?}"),
            },
            Some(3) => {
                let owed = self.owed.remove(message["invocationId"].as_str().unwrap());
                let answer =
                    if message["result"].is_null() { Owed::Items(0) } else { Owed::Result(message["result"].clone()) };
                assert_eq!(owed, Some(answer));
            }
            Some(6) => {}
            _ => panic!("{message} comes from nowhere"),
        }
    }
}

async fn connect(address: SocketAddr, narrow: bool) -> (OwnedReadHalf, OwnedWriteHalf) {
    let socket = TcpSocket::new_v4().unwrap();
    if narrow {
        socket.set_recv_buffer_size(4096).unwrap();
    }
    let mut socket = socket.connect(address).await.unwrap();
    let upgrade = "GET /hub HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
    socket.write_all(upgrade.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(socket.read_u8().await.unwrap());
    }
    let mut hello = Script { bytes: Vec::new(), owed: HashMap::new() };
    hello.say(&json!({"protocol": "json", "version": 1}));
    socket.write_all(&hello.bytes).await.unwrap();
    assert_eq!(messages(&mut socket).await, "{}\u{1e}");
    socket.into_split()
}

/// Reads one frame.
async fn messages(socket: &mut (impl AsyncReadExt + Unpin)) -> String {
    socket.read_u8().await.unwrap();
    let len = match socket.read_u8().await.unwrap() {
        126 => usize::from(socket.read_u16().await.unwrap()),
        127 => usize::try_from(socket.read_u64().await.unwrap()).unwrap(),
        len => usize::from(len),
    };
    let mut payload = vec![0; len];
    socket.read_exact(&mut payload).await.unwrap();
    String::from_utf8(payload).unwrap()
}

async fn write_in_pieces(mut socket: OwnedWriteHalf, bytes: Vec<u8>, mut seed: Seed) -> OwnedWriteHalf {
    let most = [10, 300, 5000, 100_000][seed.below(4) as usize];
    let mut rest = &bytes[..];
    while !rest.is_empty() {
        let (piece, behind) = rest.split_at(rest.len().min(1 + seed.below(most) as usize));
        socket.write_all(piece).await.unwrap();
        rest = behind;
        if seed.below(3) == 0 {
            tokio::task::yield_now().await;
        }
    }
    socket
}

async fn check(number: u64) {
    let mut seed = Seed::new(number);
    let hub = hub(1 + seed.below(3) as usize);
    let narrow = seed.below(2) == 0;
    let server = Server::bind("127.0.0.1:0").await.unwrap().endpoint("/hub", Endpoint::new(hub.clone()));
    let server = if narrow { server.send_buffer_size(4096).unwrap() } else { server };
    let address = server.local_addr().unwrap();
    let (stop, stopping) = tokio::sync::oneshot::channel::<()>();
    let stopped = tokio::spawn(server.run_until(async { drop(stopping.await) }));
    let (mut reader, writer) = connect(address, narrow).await;
    let calls = 50 + seed.below(300);
    let mut script = Script::write(&mut seed, calls);
    let writing = tokio::spawn(write_in_pieces(writer, std::mem::take(&mut script.bytes), Seed::new(number + 1)));
    let (mut sent, mut received) = (0, 0);
    while !script.owed.is_empty() || received < sent {
        if sent < 40 && seed.below(5) == 0 {
            hub.clients().all().send("Said", ("y".repeat(seed.below(5000) as usize),)).await.unwrap();
            sent += 1;
        }
        let records = tokio::time::timeout(TIMEOUT, messages(&mut reader)).await;
        let records = records.unwrap_or_else(|_| panic!("{} calls of {calls} are not answered", script.owed.len()));
        for record in records.split_terminator('\u{1e}') {
            script.on_message(&serde_json::from_str(record).unwrap(), &mut received);
        }
    }
    drop((reader, writing.await.unwrap()));
    drop(stop);
    stopped.await.unwrap().unwrap();
}

#[test]
fn a_client_that_sends_many_calls_at_once_is_answered_all_of_them() {
    for seed in 0..RUNS {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let run = std::panic::AssertUnwindSafe(|| runtime.block_on(check(seed)));
        if let Err(panic) = std::panic::catch_unwind(run) {
            eprintln!("the run of seed {seed} failed");
            std::panic::resume_unwind(panic);
        }
    }
}
