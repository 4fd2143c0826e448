//! Runs the gates on a terminal: one line per gate, and its output only if it failed.
//!
//! Each gate is a process of this program with `--only`, whose output is kept instead of shown.

use std::collections::VecDeque;
use std::env;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::command::say;
use crate::counts::Counts;
use crate::gate::{Gate, summary};

/// How often the elapsed time is updated.
const REFRESH: Duration = Duration::from_millis(200);

/// How many lines of a gate's output are kept: the last ones.
const KEPT_LINES: usize = 20_000;

type Lines = Arc<Mutex<VecDeque<String>>>;

/// Runs the gates one after another and returns the sum of their counts.
pub(crate) fn run(gates: &[Gate]) -> io::Result<Counts> {
    let mut sum = Counts::default();
    for (number, gate) in gates.iter().enumerate() {
        let place = format!("[{:>2}/{}]", number + 1, gates.len());
        let start = Instant::now();
        let (counts, lines) = run_gate(gate, &place, start)?;
        clear_line()?;
        if counts.failed > 0 {
            for line in &lines {
                say(line)?;
            }
        }
        say(&format!("{place} {}", summary(gate, counts, start.elapsed())))?;
        if counts.is_empty() {
            reasons(gate, &lines).try_for_each(|line| say(&format!("        {line}")))?;
        }
        sum += counts;
    }
    say(&sum.to_string())?;
    Ok(sum)
}

/// The reasons that a gate gave for not running: its output without the lines that every gate prints.
fn reasons<'a>(gate: &'a Gate, lines: &'a VecDeque<String>) -> impl Iterator<Item = &'a String> {
    lines.iter().filter(move |line| {
        let is_summary = line.split_whitespace().next() == Some(gate.name) && line.contains("not run");
        !line.is_empty() && !line.starts_with(['=', '$']) && !is_summary && Counts::of_gate(line).is_none()
    })
}

fn run_gate(gate: &Gate, place: &str, start: Instant) -> io::Result<(Counts, VecDeque<String>)> {
    let mut command = Command::new(env::current_exe()?);
    command.args(["test", "--only", gate.name]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    let lines = Lines::default();
    let stdout = child.stdout.take().map(|stream| keep(stream, &lines));
    let stderr = child.stderr.take().map(|stream| keep(stream, &lines));
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        show(&format!("{place} {} {} s", gate.name, start.elapsed().as_secs()))?;
        thread::sleep(REFRESH);
    };
    for reader in stdout.into_iter().chain(stderr) {
        // If a reader panicked, the lines that it kept are still there.
        drop(reader.join());
    }
    let lines = std::mem::take(&mut *lines.lock().unwrap_or_else(PoisonError::into_inner));
    Ok((counts(&lines, status.success()), lines))
}

/// The counts that a gate printed last; one that ended without them has failed.
fn counts(lines: &VecDeque<String>, success: bool) -> Counts {
    let counted = lines.iter().rev().find_map(|line| Counts::of_gate(line));
    match counted {
        Some(counts) if success == (counts.failed == 0) => counts,
        _ => Counts::FAILED,
    }
}

/// Reads a stream to its end, line by line.
fn keep(stream: impl Read + Send + 'static, lines: &Lines) -> thread::JoinHandle<()> {
    let lines = Arc::clone(lines);
    thread::spawn(move || {
        for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
            let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
            if lines.len() == KEPT_LINES {
                lines.pop_front();
            }
            lines.push_back(String::from_utf8_lossy(&line).into_owned());
        }
    })
}

fn show(text: &str) -> io::Result<()> {
    let mut out = io::stdout();
    write!(out, "\r\x1b[K{text}")?;
    out.flush()
}

fn clear_line() -> io::Result<()> {
    show("")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_counts_of_a_gate_are_its_result() {
        let lines = |text: &str| text.lines().map(str::to_owned).collect::<VecDeque<_>>();
        let printed = lines("=== js\n7 passed, 0 failed\n\njs  ok\n9 passed, 0 failed, 1 ignored\n");
        assert_eq!(counts(&printed, true), Counts::new(9, 0, 1));
        // It printed success and exited with a failure, or printed nothing.
        assert_eq!(counts(&printed, false), Counts::FAILED);
        assert_eq!(counts(&lines("error: it does not compile"), false), Counts::FAILED);
        assert_eq!(counts(&lines("0 passed, 0 failed"), true), Counts::default());
        let gate = crate::gate::GATES.iter().find(|gate| gate.name == "java").unwrap();
        let printed = lines("=== java\nJava is not installed\n\njava  not run  0 / 0\n0 passed, 0 failed\n");
        assert_eq!(reasons(gate, &printed).collect::<Vec<_>>(), ["Java is not installed"]);
    }
}
