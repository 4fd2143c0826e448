//! Wake-ups under random orders of events, each run from a seed.
//!
//! The writer of a send queue, and the tasks that wait for room or for a flush, are polled only after they were woken.
//! Whatever the order of sends, corks, writes that block and reads, everything arrives and every wait ends. A run that
//! fails names its seed.

use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Wake, Waker};

use super::*;
use crate::handler::BoxFuture;
use crate::shared_socket::SharedSocket;
use crate::transport::io::Io;

const RUNS: u64 = 400;
const STEPS: usize = 150;

/// A waker that notes that it was used.
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// A future that is polled only after its waker was used.
struct Sleeper {
    woken: Arc<Woken>,
    waker: Waker,
}

impl Sleeper {
    fn new() -> Self {
        let woken = Arc::new(Woken(AtomicBool::new(true)));
        Self { waker: Waker::from(Arc::clone(&woken)), woken }
    }

    fn poll<T>(&self, poll: impl FnOnce(&mut Context<'_>) -> Poll<T>) -> Poll<T> {
        match self.woken.0.swap(false, Ordering::SeqCst) {
            true => poll(&mut Context::from_waker(&self.waker)),
            false => Poll::Pending,
        }
    }
}

/// Numbers from a seed (xorshift).
struct Seed(u64);

impl Seed {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

enum Way {
    /// Senders write to a socket, and a task writes what is left.
    Socket { io: Io, client: TcpStream },
    /// Frames are taken, as polls and event streams do.
    Taken,
}

struct Run {
    seed: Seed,
    send_queue: Arc<SendQueue>,
    way: Way,
    writer: Sleeper,
    waiting: Vec<(Sleeper, BoxFuture<()>)>,
    keeps: bool,
    sent: Vec<u8>,
    arrived: Vec<u8>,
    frames: u64,
}

impl Run {
    async fn new(seed: u64) -> Self {
        let mut seed = Seed(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        let (send_queue, way) = if seed.below(3) == 0 {
            let writer = if seed.below(2) == 0 { Writer::Poll } else { Writer::Stream };
            let limits = QueueLimits { bytes: 1 << 30, ..QueueLimits::default() };
            (Arc::new(SendQueue::new(limits, Arc::default(), Arc::default(), writer)), Way::Taken)
        } else {
            let (_, socket, client) = socket_and_queue().await;
            // Room is below 4 KiB.
            let limits = QueueLimits { bytes: 64 << 10, ..QueueLimits::default() };
            let send_queue = Arc::new(SendQueue::new(limits, Arc::default(), Arc::default(), Writer::Task));
            send_queue.set_writer(Writer::Socket(SharedSocket::Plain(Arc::clone(&socket))));
            (send_queue, Way::Socket { io: Io::Tcp { socket, _share: None }, client })
        };
        let (sent, arrived) = (Vec::new(), Vec::new());
        let (writer, waiting, keeps) = (Sleeper::new(), Vec::new(), seed.below(3) == 0);
        Self { seed, send_queue, way, writer, waiting, keeps, sent, arrived, frames: 0 }
    }

    fn outbound(&self) -> Outbound {
        Outbound::new(Arc::clone(&self.send_queue))
    }

    fn frame(&mut self) -> Frame {
        self.frames += 1;
        let len = if self.seed.below(8) == 0 { self.seed.below(9000) } else { self.seed.below(200) };
        Frame::new(MessageKind::Binary, &vec![self.frames as u8; len as usize])
    }

    fn step(&mut self) {
        // A queue near its limit ends the connection, which is not what this is about.
        let may_send = self.send_queue.lock().bytes < 30 << 10;
        match self.seed.below(13) {
            0..3 if may_send => {
                let frame = self.frame();
                self.sent.extend_from_slice(frame.as_bytes());
                self.outbound().send(&frame).unwrap();
            }
            3 if may_send => {
                let frames: Vec<u8> = (0..self.seed.below(5)).flat_map(|_| self.frame().as_bytes().to_vec()).collect();
                self.sent.extend_from_slice(&frames);
                self.outbound().send_all(&Frames::from_bytes(frames.into())).unwrap();
            }
            4 => self.outbound().cork(),
            5..7 => self.outbound().uncork(),
            7 => {
                let outbound = self.outbound();
                self.waiting.push((Sleeper::new(), Box::pin(async move { outbound.ready().await })));
            }
            8 if self.keeps => {
                self.outbound().retain(500);
                self.send_queue.set_intake(if self.seed.below(2) == 0 { Intake::Open } else { Intake::Paused });
            }
            9 => self.outbound().release(self.seed.below(self.frames + 1)),
            10 => self.read(300),
            11 => self.waiting.push((Sleeper::new(), Box::pin(self.outbound().flushed().map(drop)))),
            _ => {}
        }
    }

    /// Lets the client take some of what has arrived.
    fn read(&mut self, most: usize) {
        if let Way::Socket { client, .. } = &self.way {
            let mut bytes = vec![0; most];
            if let Ok(n) = client.try_read(&mut bytes) {
                self.arrived.extend_from_slice(&bytes[..n]);
            }
        }
    }

    /// Polls what was woken.
    fn wake(&mut self) {
        let Self { send_queue, way, writer, waiting, arrived, seed, .. } = self;
        let most = 1 + seed.below(3) as usize;
        let _ = writer.poll(|cx| match way {
            Way::Socket { io, .. } => {
                send_queue.signals.register(cx.waker());
                send_queue.signals.take(Signal::Moved);
                io.poll_drain(cx, send_queue).map(drop)
            }
            Way::Taken => {
                while let Poll::Ready(Some(frames)) = send_queue.poll_take(cx, most, 1 << 10) {
                    frames.iter().for_each(|frame| arrived.extend_from_slice(frame.as_bytes()));
                }
                Poll::Pending
            }
        });
        waiting.retain_mut(|(sleeper, ready)| sleeper.poll(|cx| ready.as_mut().poll(cx)).is_pending());
    }

    async fn settle(mut self) {
        self.outbound().uncork();
        self.outbound().release(u64::MAX);
        let all = async {
            while self.arrived.len() < self.sent.len() || !self.waiting.is_empty() {
                self.read(64 << 10);
                self.wake();
                tokio::task::yield_now().await;
            }
        };
        if tokio::time::timeout(Duration::from_secs(5), all).await.is_err() {
            panic!("{} of {} bytes arrived, {} wait", self.arrived.len(), self.sent.len(), self.waiting.len());
        }
        assert!(self.arrived == self.sent, "what arrived is what was sent");
    }
}

#[test]
fn everything_moves_when_each_part_runs_only_after_it_was_woken() {
    for seed in 0..RUNS {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().event_interval(1).build().unwrap();
        let run = std::panic::AssertUnwindSafe(|| {
            runtime.block_on(async {
                let mut run = Run::new(seed).await;
                for _ in 0..STEPS {
                    run.step();
                    run.wake();
                    tokio::task::yield_now().await;
                }
                run.settle().await;
            });
        });
        if let Err(panic) = std::panic::catch_unwind(run) {
            eprintln!("the run of seed {seed} failed");
            std::panic::resume_unwind(panic);
        }
    }
}
