//! How many bytes are written to the disk for each event, as the kernel counts them. The counter of the server is beside it: it
//! also counts pages that are written again before the kernel has sent them to the disk.

use std::io;
use std::thread::sleep;
use std::time::Duration;

use super::server::{Server, Store};
use crate::load::publisher::{EVENT, Publisher, notification};
use crate::load::rows::Row;
use crate::load::suite::Bench;
use signalhub_load::process::written_to_disks;

/// What is still written after the last publish: the sync of `history.sync_interval`, by default one second.
const REST: Duration = Duration::from_millis(1500);

/// A rate of publishes, and how it is held against its goal.
struct Load {
    name: &'static str,
    /// How many connections publish, and how often each.
    connections: usize,
    interval: Duration,
    /// Long enough for several checkpoints.
    time: Duration,
    /// Bytes for each event.
    goal: (&'static str, f64),
}

const LOADS: [Load; 2] = [
    Load {
        name: "written per event at 1 000/s",
        connections: 8,
        interval: Duration::from_micros(8 * 1_000),
        time: Duration::from_secs(15),
        goal: ("≤ 3 KiB", 3.0 * 1024.0),
    },
    Load {
        name: "written per event at 10 000/s",
        connections: 64,
        interval: Duration::from_micros(64 * 100),
        time: Duration::from_secs(8),
        goal: ("≤ 1 KiB", 1024.0),
    },
];

/// H7.
pub(super) fn bytes(bench: &Bench<'_>) -> io::Result<Vec<Row>> {
    let measure = |load: &Load| {
        let server = Server::start(bench, Store::Disk, &[])?;
        let body = notification(EVENT, "tickets", 0);
        let mut publisher = Publisher::with(&server.target.hub, load.connections, "", &body)?;
        let look = || {
            let counted = server.internal.metric("signalhub_history_written_bytes_total")?;
            Ok::<_, io::Error>((counted, written_to_disks(server.target.process())?))
        };
        let before = look()?;
        let events = publisher.repeat(load.time, Some(load.interval))?.len() as f64;
        sleep(REST);
        let after = look()?;
        let each = |before: u64, after: u64| after.saturating_sub(before) as f64 / events;
        let (counted, by_kernel) = (each(before.0, after.0), each(before.1, after.1));
        let rate = events / load.time.as_secs_f64();
        let (goal, most) = load.goal;
        let row = Row::new("H7", load.name, "B").disk(by_kernel);
        Ok(row.beside(format!("at {rate:.0}/s; counter: {counted:.0}")).goal(goal, by_kernel <= most))
    };
    LOADS.iter().map(measure).collect()
}
