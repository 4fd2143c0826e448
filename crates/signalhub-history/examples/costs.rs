//! Prints what the history on disk costs on this machine: `cargo run --release -p signalhub-history --example costs [DIRECTORY]`.

#![allow(clippy::print_stdout, reason = "it prints a table")]

use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use signalhub_events::{Append, Declared, Durability, Event, EventName, Log, ReadRange};
use signalhub_history::{DiskLog, DiskOptions};
use tokio::sync::mpsc;

/// The payload of each event.
const PAYLOAD: usize = 300;

/// How many names the events have, in turn.
const NAMES: usize = 16;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let directory = std::env::args_os().nth(1).map_or_else(std::env::temp_dir, PathBuf::from);
    let directory = directory.join(format!("signalhub-history-costs-{}", std::process::id()));
    std::fs::create_dir(&directory)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let result = runtime.block_on(measure(&directory));
    std::fs::remove_dir_all(&directory)?;
    result
}

async fn measure(directory: &Path) -> Result<()> {
    println!("in flight | durability | events/s | CPU/event | bytes/event | events/commit | syncs");
    for (events, in_flight, durability) in [
        (20_000, 1, Durability::Written),
        (100_000, 16, Durability::Written),
        (200_000, 256, Durability::Written),
        (1_000, 1, Durability::Durable),
        (10_000, 16, Durability::Durable),
        (100_000, 256, Durability::Durable),
    ] {
        let directory = directory.join(format!("{in_flight}{durability:?}"));
        let log = DiskLog::open(options(&directory))?;
        publish(&log, events, in_flight, durability).await?;
    }
    let directory = directory.join("million");
    let log = DiskLog::open(options(&directory))?;
    publish(&log, 1_000_000, 256, Durability::Written).await?;
    drop(log);
    let log = DiskLog::open(options(&directory))?;
    println!("open with {} events: {:?}", log.report().events, log.report().took);
    replay(&log).await
}

fn options(directory: &Path) -> DiskOptions {
    let mut options = DiskOptions::new(directory);
    (options.limits.events, options.limits.bytes) = (u64::MAX, u64::MAX);
    options
}

/// Appends events, with this number of them under way.
async fn publish(log: &DiskLog, events: usize, in_flight: usize, durability: Durability) -> Result<()> {
    let names: Vec<_> = (0..NAMES).map(|name| EventName::from(format!("costs.resources.changed.{name}"))).collect();
    for name in &names {
        log.admit(name, Declared::Yes);
    }
    let payload = "x".repeat(PAYLOAD);
    let (sender, mut outcomes) = mpsc::channel(in_flight);
    let (before, begin, cpu) = (log.counts(), Instant::now(), cpu_time()?);
    let mut under_way = 0;
    for serial in 0..events {
        if under_way == in_flight {
            outcomes.recv().await.ok_or("the log is closed")??;
            under_way -= 1;
        }
        let event = Event::new(names[serial % NAMES].clone(), payload.clone());
        let sender = sender.clone();
        let done = move |result| {
            let _ = sender.try_send(result);
        };
        log.append(Append::new(event.into(), None, durability, done)).await?;
        under_way += 1;
    }
    for _ in 0..under_way {
        outcomes.recv().await.ok_or("the log is closed")??;
    }
    let (took, cpu, after) = (begin.elapsed(), cpu_time()? - cpu, log.counts());
    let per_event = |count: u64| count as f64 / events as f64;
    println!(
        "{in_flight} | {durability:?} | {:.0} | {:.1} us | {:.0} | {:.1} | {}",
        events as f64 / took.as_secs_f64(),
        cpu.as_secs_f64() * 1e6 / events as f64,
        per_event(after.written_bytes - before.written_bytes),
        1.0 / per_event(after.commits - before.commits),
        after.syncs - before.syncs
    );
    Ok(())
}

/// Reads all events of one name.
async fn replay(log: &DiskLog) -> Result<()> {
    let name = EventName::from("costs.resources.changed.3");
    let (begin, cpu) = (Instant::now(), cpu_time()?);
    let (mut after, mut count) = (0, 0);
    loop {
        let page = log.read(ReadRange::new(name.clone(), after, u64::MAX, 256)).await?;
        if page.events.is_empty() {
            break;
        }
        (after, count) = (page.through, count + page.events.len());
    }
    let (took, cpu) = (begin.elapsed(), cpu_time()? - cpu);
    let rate = |time: Duration| count as f64 / time.as_secs_f64();
    println!(
        "replay of {count} events of one of {NAMES} names: {:.0} a second, {:.0} a CPU second",
        rate(took),
        rate(cpu)
    );
    Ok(())
}

/// The processor time of this process.
fn cpu_time() -> Result<Duration> {
    let schedule = std::fs::read_dir("/proc/self/task")?;
    let mut nanos = 0;
    for task in schedule {
        let text = std::fs::read_to_string(task?.path().join("schedstat"))?;
        nanos += text.split(' ').next().ok_or("no time")?.parse::<u64>()?;
    }
    Ok(Duration::from_nanos(nanos))
}
