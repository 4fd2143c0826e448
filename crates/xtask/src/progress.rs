//! Runs the gates on a terminal: one line per gate, and its output only if it failed.
//!
//! Each gate is a process of this program with `--only`, whose output is kept instead of shown.

use std::io::{self, Write};
use std::thread;
use std::time::{Duration, Instant};

use crate::command::say;
use crate::counts::Counts;
use crate::gate::{Gate, stages, summary};
use crate::gate_process::{self, Ended};
use crate::output::{Lines, joined};
use crate::preparation::Preparations;

/// How often the elapsed time is updated.
const REFRESH: Duration = Duration::from_millis(200);

/// Runs the gates in their order and returns the sum of their counts.
pub(crate) fn run(gates: &[Gate]) -> io::Result<Counts> {
    let mut preparations = Preparations::start(gates)?;
    let mut sum = Counts::default();
    let mut number = 0;
    for stage in stages(gates) {
        let places = (number + 1..).map(|number| format!("[{number:>2}/{}]", gates.len()));
        number += stage.len();
        for (place, (gate, ended)) in
            places.zip(stage.iter().zip(run_stage(stage, number, gates.len(), &mut preparations)?))
        {
            report(&place, gate, &ended)?;
            sum += ended.counts;
        }
    }
    say(&sum.to_string())?;
    Ok(sum)
}

/// Runs the gates of one stage and shows for how long they have run.
fn run_stage(stage: &[Gate], number: usize, all: usize, preparations: &mut Preparations) -> io::Result<Vec<Ended>> {
    let names: Vec<&str> = stage.iter().map(|gate| gate.name).collect();
    let line = format!("[{number:>2}/{all}] {}", names.join(", "));
    show(&format!("{line}: waits for what is installed and compiled"))?;
    // A gate repeats what its preparation failed to do, and then shows it.
    stage.iter().for_each(|gate| drop(preparations.wait(gate)));
    let start = Instant::now();
    thread::scope(|scope| {
        let running: Vec<_> = stage.iter().map(|gate| scope.spawn(|| gate_process::run(gate))).collect();
        while !running.iter().all(thread::ScopedJoinHandle::is_finished) {
            show(&format!("{line} {} s", start.elapsed().as_secs()))?;
            thread::sleep(REFRESH);
        }
        show("")?;
        running.into_iter().map(|gate| joined(gate.join())).collect()
    })
}

/// Prints the result of a gate, after its output if it failed.
fn report(place: &str, gate: &Gate, ended: &Ended) -> io::Result<()> {
    if ended.counts.failed > 0 {
        ended.lines.iter().try_for_each(|line| say(line))?;
    }
    say(&format!("{place} {}", summary(gate, ended.counts, ended.elapsed)))?;
    if ended.counts.is_empty() {
        reasons(gate, &ended.lines).try_for_each(|line| say(&format!("        {line}")))?;
    }
    Ok(())
}

/// The reasons that a gate gave for not running: its output without the lines that every gate prints.
fn reasons<'a>(gate: &'a Gate, lines: &'a Lines) -> impl Iterator<Item = &'a String> {
    lines.iter().filter(move |line| {
        let is_summary = line.split_whitespace().next() == Some(gate.name) && line.contains("not run");
        !line.is_empty() && !line.starts_with(['=', '$']) && !is_summary && Counts::of_gate(line).is_none()
    })
}

fn show(text: &str) -> io::Result<()> {
    let mut out = io::stdout();
    write!(out, "\r\x1b[K{text}")?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gate_that_did_not_run_gives_its_reasons() {
        let gate = crate::gate::GATES.iter().find(|gate| gate.name == "java").unwrap();
        let printed = "=== java\nJava is not installed\n\njava  not run  0 / 0\n0 passed, 0 failed\n";
        let printed: Lines = printed.lines().map(str::to_owned).collect();
        assert_eq!(reasons(gate, &printed).collect::<Vec<_>>(), ["Java is not installed"]);
    }
}
