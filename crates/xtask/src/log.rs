//! Runs the gates for a log: prints what each prints, for how long it has run, and a table at the end.

use std::io;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::command::say;
use crate::counts::Counts;
use crate::gate::{Gate, stages, summary};
use crate::gate_process::{self, Ended};
use crate::output::joined;
use crate::preparation::Preparations;
use crate::workspace::Workspace;

/// How often a gate that has not ended is named.
const INTERVAL: Duration = Duration::from_secs(30);

/// Runs the gates in their order and prints what became of each, and the sum on the last line.
///
/// A failed gate does not stop the others, so that one run reports everything that is wrong.
pub(crate) fn run(workspace: &Workspace, gates: &[Gate]) -> io::Result<Counts> {
    let mut preparations = Preparations::start(gates)?;
    let mut results = Vec::new();
    let mut sum = Counts::default();
    for stage in stages(gates) {
        for gate in stage {
            preparations.wait(gate).iter().try_for_each(|line| say(line))?;
        }
        let ended = named(stage, || match stage {
            [gate] => Ok(vec![run_here(workspace, gate)?]),
            _ => run_together(stage),
        })?;
        for (gate, (counts, elapsed)) in stage.iter().zip(ended) {
            sum += counts;
            results.push(summary(gate, counts, elapsed));
        }
    }
    say("")?;
    for result in results {
        say(&result)?;
    }
    say(&sum.to_string())?;
    Ok(sum)
}

/// Does something, and says now and then which gates it has run for how long: their own output may not show it.
fn named<T>(gates: &[Gate], work: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    let names: Vec<&str> = gates.iter().map(|gate| gate.name).collect();
    let (names, start) = (names.join(", "), Instant::now());
    let (done, end) = sync_channel::<()>(0);
    thread::scope(|scope| {
        scope.spawn(move || {
            while end.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
                // If the log is closed, the gates find that themselves.
                drop(say(&format!("=== {names}: {} s so far", start.elapsed().as_secs())));
            }
        });
        let result = work();
        drop(done);
        result
    })
}

/// Runs a gate in this process; what it prints is seen at once.
fn run_here(workspace: &Workspace, gate: &Gate) -> io::Result<(Counts, Duration)> {
    say(&format!("=== {}", gate.name))?;
    let start = Instant::now();
    let counts = match (gate.run)(workspace) {
        Ok(counts) => counts,
        Err(error) => {
            say(&format!("{}: {error}", gate.name))?;
            Counts::FAILED
        }
    };
    say(&format!("=== {} ended after {:.1} s", gate.name, start.elapsed().as_secs_f64()))?;
    Ok((counts, start.elapsed()))
}

/// Runs gates at the same time, each in a process of its own, and prints what each printed, one after another.
fn run_together(gates: &[Gate]) -> io::Result<Vec<(Counts, Duration)>> {
    let names: Vec<&str> = gates.iter().map(|gate| gate.name).collect();
    say(&format!("=== {} at the same time", names.join(", ")))?;
    thread::scope(|scope| {
        let running: Vec<_> = gates.iter().map(|gate| scope.spawn(|| gate_process::run(gate))).collect();
        let mut results = Vec::new();
        for gate in running {
            let Ended { counts, lines, elapsed } = joined(gate.join())?;
            lines.iter().try_for_each(|line| say(line))?;
            results.push((counts, elapsed));
        }
        Ok(results)
    })
}
