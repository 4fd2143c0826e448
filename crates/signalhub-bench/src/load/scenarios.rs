//! The scenarios: what is done to a server and to a baseline, and what it cost them.

use std::io::{self, Write};
use std::net::TcpStream;
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use super::figures::{Cost, percentile};
use super::frames::{of_client, of_server};
use super::peers::{Peers, call, join};
use super::publisher::{OTHER, Publisher};
use super::raw::Raw;
use super::target::{Hub, Target};

/// A run in which other processes took more than this share of the processors is repeated.
const FOREIGN: f64 = 0.10;

/// How often a measurement is repeated at most.
const ATTEMPTS: usize = 4;

/// Filters, as arguments of `Subscribe`.
pub(crate) const ALL: &str = r#"{"e":"portos.resources.changed"}"#;

/// What deliveries cost, and how long they took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Delivered {
    /// Microseconds of CPU for each delivery, and for each message that was published.
    pub(crate) cpu: f64,
    pub(crate) user: f64,
    pub(crate) per_message: f64,
    /// Deliveries in a second.
    pub(crate) rate: f64,
    /// Milliseconds until the last receiver has it.
    pub(crate) p50: f64,
    pub(crate) p99: f64,
}

/// Which process sends the bytes.
pub(crate) enum Source {
    Hub(Publisher, u32),
    Raw { control: TcpStream, length: u32, process: u32 },
}

impl Source {
    /// A hub to which each round sends this number of publishes at once.
    pub(crate) fn hub(target: &Target, messages: usize, padding: usize) -> io::Result<Self> {
        Ok(Self::Hub(Publisher::open(&target.hub, messages, padding)?, target.process()))
    }

    /// The baseline, with messages of this number of bytes; its other connections are already open.
    pub(crate) fn raw(raw: &Raw, length: u32) -> io::Result<Self> {
        Ok(Self::Raw { control: TcpStream::connect(&raw.address)?, length, process: raw.process() })
    }

    fn process(&self) -> u32 {
        match self {
            Self::Hub(_, process) | Self::Raw { process, .. } => *process,
        }
    }

    fn fire(&mut self, messages: usize) -> io::Result<()> {
        match self {
            Self::Hub(publisher, _) => publisher.publish(),
            Self::Raw { control, length, .. } => {
                let messages = u32::try_from(messages).map_err(io::Error::other)?;
                control.write_all(&[messages.to_be_bytes(), length.to_be_bytes()].concat())
            }
        }
    }

    fn settle(&mut self) -> io::Result<()> {
        match self {
            Self::Hub(publisher, _) => publisher.settle(),
            Self::Raw { .. } => Ok(()),
        }
    }
}

/// Repeats a measurement until no other process disturbed it, and keeps the least disturbed one.
pub(crate) fn quietly<T>(mut measure: impl FnMut() -> io::Result<(Cost, T)>) -> io::Result<(Cost, T)> {
    let mut best = measure()?;
    for _ in 1..ATTEMPTS {
        if best.0.foreign <= FOREIGN {
            break;
        }
        let next = measure()?;
        if next.0.foreign < best.0.foreign {
            best = next;
        }
    }
    Ok(best)
}

/// How a broadcast runs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rounds {
    /// How many of the peers receive it.
    pub(crate) receivers: usize,
    /// How many messages a round brings at once.
    pub(crate) messages: usize,
    pub(crate) rounds: usize,
    /// The time between two rounds; without it, the next round starts when every peer has received the one before.
    pub(crate) interval: Option<Duration>,
}

/// Broadcasts to peers.
pub(crate) fn broadcast(source: &mut Source, peers: &mut Peers, run: Rounds) -> io::Result<Delivered> {
    let (cost, latencies) = quietly(|| {
        Cost::of(source.process(), || {
            let mut latencies = Vec::new();
            let mut due = Instant::now();
            for _ in 0..run.rounds {
                if let Some(interval) = run.interval {
                    sleep(due.saturating_duration_since(Instant::now()));
                    due += interval;
                }
                let sent = Instant::now();
                source.fire(run.messages)?;
                let received = peers.receive(run.receivers, run.messages)?;
                source.settle()?;
                latencies.extend(received.iter().map(|at| at.saturating_duration_since(sent).as_secs_f64() * 1e3));
            }
            Ok(latencies)
        })
    })?;
    let published = (run.messages * run.rounds) as f64;
    let deliveries = published * run.receivers as f64;
    let micros = |time: Duration| time.as_secs_f64() * 1e6;
    Ok(Delivered {
        cpu: micros(cost.cpu()) / deliveries,
        user: micros(cost.user) / deliveries,
        per_message: micros(cost.cpu()) / published,
        rate: deliveries / cost.wall.as_secs_f64(),
        p50: percentile(latencies.clone(), 0.50),
        p99: percentile(latencies, 0.99),
    })
}

/// What calls cost: microseconds of CPU each, and how many a second.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Called {
    pub(crate) cpu: f64,
    pub(crate) rate: f64,
}

/// Keeps calls in flight on each peer.
pub(crate) fn converse(process: u32, peers: &mut Peers, frame: &[u8], depth: usize) -> io::Result<Called> {
    let (cost, calls) = quietly(|| Cost::of(process, || peers.converse(frame, depth, Duration::from_secs(2))))?;
    let cpu = cost.cpu().as_secs_f64() * 1e6 / calls as f64;
    Ok(Called { cpu, rate: calls as f64 / cost.wall.as_secs_f64() })
}

/// The frame that a hub answers, and one that the baseline sends back and that is as long as the hub's answer.
pub(crate) fn frames_of_calls() -> (Vec<u8>, Vec<u8>) {
    (of_client(&call(&format!(r#"{{"e":"{OTHER}"}}"#))), of_server(&[b'x'; 119]))
}

/// Connects, subscribes and closes, from several threads; microseconds of CPU each.
pub(crate) fn churn(target: &Target, count: usize) -> io::Result<f64> {
    churn_with(target, count, |hub| join(hub, ALL).map(drop))
}

/// The same with a cycle of one's own.
pub(crate) fn churn_with(
    target: &Target,
    count: usize,
    cycle: impl Fn(&Hub) -> io::Result<()> + Sync,
) -> io::Result<f64> {
    const THREADS: usize = 8;
    let cycles = |hub: &Hub| (0..count.div_ceil(THREADS)).try_for_each(|_| cycle(hub));
    let (cost, ()) = quietly(|| {
        Cost::of(target.process(), || {
            thread::scope(|scope| {
                let workers: Vec<_> = (0..THREADS).map(|_| scope.spawn(|| cycles(&target.hub))).collect();
                let results = workers
                    .into_iter()
                    .map(|worker| worker.join().unwrap_or_else(|_| Err(io::Error::other("a thread panicked"))));
                results.collect::<io::Result<()>>()
            })
        })
    })?;
    Ok(cost.cpu().as_secs_f64() * 1e6 / count.next_multiple_of(THREADS) as f64)
}

/// What idle connections cost.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Idle {
    /// KiB of resident memory each.
    pub(crate) memory: f64,
    /// Microseconds of CPU in a second, each, with a ping every 15 s.
    pub(crate) cpu: f64,
}

/// Holds connections that `open` opens, and looks at what the server holds and does for them.
pub(crate) fn idle<T>(
    target: &Target,
    count: usize,
    hold: Duration,
    open: impl Fn(&Hub) -> io::Result<T>,
) -> io::Result<Idle> {
    // What the server keeps for all of them is there already.
    drop((0..count / 20).map(|_| open(&target.hub)).collect::<io::Result<Vec<T>>>()?);
    sleep(Duration::from_secs(2));
    let before = target.vitals()?.resident;
    let held = (0..count).map(|_| open(&target.hub)).collect::<io::Result<Vec<T>>>()?;
    sleep(Duration::from_secs(2));
    let after = target.vitals()?.resident;
    let (cost, ()) = Cost::of(target.process(), || {
        sleep(hold);
        Ok(())
    })?;
    drop(held);
    Ok(Idle {
        memory: after.saturating_sub(before) as f64 / 1024.0 / count as f64,
        cpu: cost.cpu().as_secs_f64() * 1e6 / hold.as_secs_f64() / count as f64,
    })
}
