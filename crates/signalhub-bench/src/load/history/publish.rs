//! What a publish costs: until its subscribers have the event, until it is accepted, and until it is durable.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use super::server::{Server, Store};
use crate::load::figures::{Cost, median, percentile};
use crate::load::publisher::{EVENT, Publisher, notification};
use crate::load::rows::Row;
use crate::load::scenarios::{ALL, Delivered, Rounds, quietly};
use crate::load::suite::{Bench, Side};

/// How long each measurement of publishes lasts.
const TIME: Duration = Duration::from_millis(1500);

/// What SQLite appends for one page: the page and its header.
const WAL_FRAME: usize = 4096 + 24;

/// What makes a publish wait until the event is durable.
const DURABLE: &str = "?wait=durable";

/// What publishes cost.
struct Published {
    /// Microseconds until the answer.
    p50: f64,
    /// Microseconds of CPU of the server for each.
    cpu: f64,
    /// Publishes in a second.
    rate: f64,
}

/// H1: the CPU of a publish to ten subscribers.
pub(super) fn to_subscribers(bench: &Bench<'_>) -> io::Result<Vec<Row>> {
    let run = |rounds| Rounds { receivers: 10, messages: 1, rounds, interval: None };
    // They are dropped after the servers, which use them.
    let mut folders = Vec::new();
    let mut sides = Vec::new();
    for store in [Store::Off, Store::Memory, Store::Disk] {
        let Server { target, folder, .. } = Server::start(bench, store, &[])?;
        folders.extend(folder);
        sides.push(Side::hub(target, 10, (1, 0), &|_| ALL.to_owned())?);
    }
    bench.interleaved(&mut sides, |side| side.broadcast(run(300)))?;
    let results = bench.interleaved(&mut sides, |side| side.broadcast(run(8000)))?;
    let of = |side: usize, of: fn(&Delivered) -> f64| median(results[side].iter().map(of).collect());
    let [off, memory, disk] = [0, 1, 2].map(|side| of(side, |run| run.per_message));
    let times = [0, 1, 2].map(|side| of(side, |run| run.p50 * 1e3));
    let ratio = memory / off;
    Ok(vec![
        Row::new("H1", "publish to 10 subscribers: CPU", "µs").off(off).goal("off ≤ 65", off <= 65.0),
        Row::new("H1", "the same with a history", "µs")
            .off(off)
            .memory(memory)
            .disk(disk)
            .beside(format!("memory {ratio:.2} x off"))
            .goal("memory ≤ 1.05 x off", ratio <= 1.05),
        Row::new("H1", "publish until the last of 10 has it: p50", "µs").off(times[0]).memory(times[1]).disk(times[2]),
    ])
}

/// H2 and H3: receipts that say accepted, and durable, without subscribers.
pub(super) fn receipts(bench: &Bench<'_>) -> io::Result<Vec<Row>> {
    let (off, disk) = (Server::start(bench, Store::Off, &[])?, Server::start(bench, Store::Disk, &[])?);
    // Server, publishers, query.
    let sides =
        [(&off, 1, ""), (&disk, 1, ""), (&disk, 1, DURABLE), (&off, 16, ""), (&disk, 16, ""), (&disk, 64, DURABLE)];
    let mut results = sides.each_ref().map(|_| Vec::new());
    let mut syncs = Vec::new();
    for _ in 0..bench.arguments.repeat {
        for ((server, publishers, query), results) in sides.iter().zip(&mut results) {
            results.push(publish(server, *publishers, query)?);
        }
        if let Some(folder) = &disk.folder {
            syncs.push(fdatasync(folder.path())?);
        }
    }
    let [off, disk, durable, off_16, disk_16, durable_64] = results.map(|runs| Published::middle(&runs));
    let mut rows = accepted("one at a time", &off, &disk, ("≤ off + 30", 30.0));
    rows.extend(accepted("16 in flight", &off_16, &disk_16, ("≤ off + 8", 8.0)));
    let sync = median(syncs);
    let (bound, times) = (off.p50 + 1.3 * sync, durable_64.rate / durable.rate);
    rows.extend([
        Row::new("H3", "write and fdatasync of 4 KiB, appended: p50", "µs").disk(sync),
        Row::new("H3", "publish, durable, one at a time: p50", "µs")
            .off(off.p50)
            .disk(durable.p50)
            .beside(format!("goal is {bound:.0}"))
            .goal("≤ off + 1.3 x fdatasync", durable.p50 <= bound),
        Row::new("H3", "publish, durable, one publisher", "/s").disk(durable.rate),
        Row::new("H3", "publish, durable, 64 publishers", "/s")
            .disk(durable_64.rate)
            .beside(format!("{times:.1} x one"))
            .goal("≥ 20 x one publisher", times >= 20.0),
        Row::new("H3", "publish, durable, 64 publishers: CPU", "µs").disk(durable_64.cpu),
    ]);
    Ok(rows)
}

fn accepted(words: &str, off: &Published, disk: &Published, (goal, more): (&'static str, f64)) -> Vec<Row> {
    let (ratio, difference) = (disk.p50 / off.p50, disk.cpu - off.cpu);
    let row = |what: &str, unit| Row::new("H2", &format!("publish, accepted, {words}: {what}"), unit);
    vec![
        row("p50", "µs")
            .off(off.p50)
            .disk(disk.p50)
            .beside(format!("{ratio:.2} x off"))
            .goal("≤ 1.5 x off", ratio <= 1.5),
        row("CPU", "µs")
            .off(off.cpu)
            .disk(disk.cpu)
            .beside(format!("off {difference:+.1}"))
            .goal(goal, difference <= more),
        row("rate", "/s").off(off.rate).disk(disk.rate),
    ]
}

fn publish(server: &Server, publishers: usize, query: &str) -> io::Result<Published> {
    let body = notification(EVENT, "tickets", 0);
    let mut publisher = Publisher::with(&server.target.hub, publishers, query, &body)?;
    let (cost, took) = quietly(|| Cost::of(server.target.process(), || publisher.repeat(TIME, None)))?;
    let count = took.len() as f64;
    let micros = |time: Duration| time.as_secs_f64() * 1e6;
    Ok(Published {
        p50: percentile(took.into_iter().map(micros).collect(), 0.50),
        cpu: micros(cost.cpu()) / count,
        rate: count / cost.wall.as_secs_f64(),
    })
}

/// Appends to a file on the same file system, and waits for the disk after each write; microseconds, p50.
fn fdatasync(folder: &Path) -> io::Result<f64> {
    let path = folder.join("fdatasync");
    let (mut file, mut took) = (File::create(&path)?, Vec::new());
    let end = Instant::now() + TIME;
    while Instant::now() < end {
        let start = Instant::now();
        file.write_all(&[b'x'; WAL_FRAME])?;
        file.sync_data()?;
        took.push(start.elapsed().as_secs_f64() * 1e6);
    }
    fs::remove_file(path)?;
    Ok(percentile(took, 0.50))
}

impl Published {
    /// The median of each figure.
    fn middle(runs: &[Self]) -> Self {
        let of = |of: fn(&Self) -> f64| median(runs.iter().map(of).collect());
        Self { p50: of(|run| run.p50), cpu: of(|run| run.cpu), rate: of(|run| run.rate) }
    }
}
