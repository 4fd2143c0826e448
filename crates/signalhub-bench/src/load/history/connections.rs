//! What a history costs those who do not use it: deliveries to many, and idle connections.

use std::io;
use std::time::Duration;

use super::server::{Server, Store};
use crate::load::figures::median;
use crate::load::peers::join;
use crate::load::rows::Row;
use crate::load::scenarios::{ALL, Rounds, idle};
use crate::load::suite::{Bench, Side};

/// How many connections receive a broadcast.
const RECEIVERS: usize = 1000;

/// How many connections are idle.
const IDLE: usize = 2000;

/// H4: a broadcast to 1 000 subscribers.
pub(super) fn broadcast_to_1000(bench: &Bench<'_>) -> io::Result<Vec<Row>> {
    let run = |rounds| Rounds { receivers: RECEIVERS, messages: 1, rounds, interval: None };
    // They are dropped after the servers, which use them.
    let mut folders = Vec::new();
    let mut sides = Vec::new();
    for store in [Store::Off, Store::Disk] {
        let Server { target, folder, .. } = Server::start(bench, store, &[])?;
        folders.extend(folder);
        sides.push(Side::hub(target, RECEIVERS, (1, 0), &|_| ALL.to_owned())?);
    }
    for side in &mut sides {
        side.broadcast(run(20))?;
    }
    let results = bench.interleaved(&mut sides, |side| side.broadcast(run(400)))?;
    let [off, disk] = [0, 1].map(|side| median(results[side].iter().map(|run| run.cpu).collect()));
    let ratio = disk / off;
    let row = Row::new("H4", "broadcast to 1000: CPU per delivery", "µs").off(off).disk(disk);
    Ok(vec![row.beside(format!("{ratio:.3} x off")).goal("≤ 1.03 x off", ratio <= 1.03)])
}

/// H8: the resident memory of connections that do not use `since`.
pub(super) fn idle_memory(bench: &Bench<'_>) -> io::Result<Vec<Row>> {
    let memory = |store| {
        let server = Server::start(bench, store, &[])?;
        Ok::<_, io::Error>(idle(&server.target, IDLE, Duration::from_millis(10), |hub| join(hub, ALL))?.memory)
    };
    let [off, in_memory, disk] = [memory(Store::Off)?, memory(Store::Memory)?, memory(Store::Disk)?];
    let row = Row::new("H8", "idle WebSocket without since: memory", "KiB").off(off).memory(in_memory).disk(disk);
    let ratio = disk / off;
    Ok(vec![row.beside(format!("disk {ratio:.2} x off")).goal("= off, within 5 %", ratio <= 1.05)])
}
