//! What TLS adds, beside the same without it in the same run.

use std::io;
use std::time::Duration;

use super::super::figures::{Figure, median};
use super::super::peers::join;
use super::super::scenarios::{ALL, Delivered, Idle, Rounds, churn, idle};
use super::super::target::Target;
use super::{Bench, Side};

/// How many connections receive a broadcast.
const RECEIVERS: usize = 1000;

pub(super) fn beside_plain(bench: &Bench<'_>) -> io::Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for (messages, rounds, what) in [(1, 400, "broadcast to 1000"), (16, 60, "bursts of 16 to 1000")] {
        let plain = Side::hub(bench.ours()?, RECEIVERS, (messages, 0), &|_| ALL.to_owned())?;
        let tls = Side::hub(over_tls(bench)?, RECEIVERS, (messages, 0), &|_| ALL.to_owned())?;
        let mut sides = [plain, tls];
        for side in &mut sides {
            side.broadcast(Rounds { receivers: RECEIVERS, messages, rounds: 20, interval: None })?;
        }
        let run = Rounds { receivers: RECEIVERS, messages, rounds, interval: None };
        let results = bench.interleaved(&mut sides, |side| side.broadcast(run))?;
        figures.extend(compared(what, &results));
    }
    let Idle { memory, cpu } = idle(&over_tls(bench)?, 5000, Duration::from_secs(32), |hub| join(hub, ALL))?;
    figures.push(Figure::alone("idle WebSocket over TLS: memory", "KiB", memory, None).with_goal(
        "",
        "≤ 12 KiB",
        |memory| memory.ours <= 12.0,
    ));
    figures.push(Figure::alone("idle WebSocket over TLS: CPU in a second", "µs", cpu, None));
    let mut target = [over_tls(bench)?];
    churn(&target[0], 400)?;
    let connects = bench.interleaved(&mut target, |target| churn(target, 2000))?;
    let connects = median(connects[0].clone());
    figures.push(Figure::alone("connect, subscribe, close over TLS: CPU", "µs", connects, None));
    Ok(figures)
}

fn over_tls(bench: &Bench<'_>) -> io::Result<Target> {
    Target::ours_over_tls(bench.arguments.server.clone())
}

/// The cost of a delivery over TLS, and how many times that of one without it.
fn compared(what: &str, results: &[Vec<Delivered>]) -> [Figure; 2] {
    let cpu = |side: &Vec<Delivered>| median(side.iter().map(|run| run.cpu).collect());
    let (plain, tls) = (cpu(&results[0]), cpu(&results[1]));
    let ratio = Figure::alone(&format!("{what}: with TLS to without"), "x", tls / plain, None);
    [
        Figure::alone(&format!("{what} over TLS: CPU per delivery"), "µs", tls, None),
        ratio.with_goal("", "≤ 2", |ratio| ratio.ours <= 2.0),
    ]
}
