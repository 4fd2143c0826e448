//! What the hot paths cost in instructions, which do not depend on the mood of a machine.
//!
//! `cargo bench -p signalhub --bench hot_paths` runs each of them under callgrind (so on Linux with valgrind) and compares
//! it with `costs.txt`; with `-- --record` it writes that file anew. A cost that grew is to be explained or undone, one that
//! shrank to be recorded.

#![allow(clippy::unwrap_used, reason = "a bench may panic")]

#[path = "../support/callgrind.rs"]
mod callgrind;
mod paths;

use std::collections::HashMap;
use std::env;
use std::io::{self, Write};
use std::process::ExitCode;

use paths::PATHS;

/// Costs differ by so much without a reason: tables are hashed with random keys.
const TOLERANCE: f64 = 0.08;

/// A path is run so often, and then as often again, so that its preparation does not count.
const REPETITIONS: [usize; 2] = [20, 220];

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let outcome = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--run", path, repetitions] => {
            let (_, run) = PATHS.into_iter().find(|(name, _)| *name == path).unwrap();
            run(repetitions.parse().unwrap());
            Ok(true)
        }
        ["--record"] => measure().and_then(|costs| record(&costs)),
        [] => measure().and_then(|costs| compare(&costs)),
        _ => Err(io::Error::other("the only option is --record")),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            let _ = writeln!(io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    }
}

/// Instructions by path.
fn measure() -> io::Result<Vec<(&'static str, u64)>> {
    let cost = |(name, _)| {
        let [few, many] =
            REPETITIONS.map(|repetitions| callgrind::instructions(&["--run", name, &repetitions.to_string()]));
        Ok((name, (many? - few?) / (REPETITIONS[1] - REPETITIONS[0]) as u64))
    };
    PATHS.into_iter().map(cost).collect()
}

fn file() -> String {
    format!("{}/benches/hot_paths/costs.txt", env!("CARGO_MANIFEST_DIR"))
}

fn record(costs: &[(&str, u64)]) -> io::Result<bool> {
    // Comments at the top of the file say why costs have grown.
    let before = std::fs::read_to_string(file())?;
    let comments: String =
        before.lines().filter(|line| line.starts_with('#')).map(|line| format!("{line}\n")).collect();
    let lines: Vec<String> = costs.iter().map(|(name, cost)| format!("{cost:>8} {name}\n")).collect();
    std::fs::write(file(), comments + &lines.concat())?;
    write!(io::stdout(), "{}", lines.concat())?;
    Ok(true)
}

/// Prints each cost beside the recorded one; `false` if one of them is another, or is measured no more.
fn compare(costs: &[(&str, u64)]) -> io::Result<bool> {
    let text = std::fs::read_to_string(file())?;
    let recorded: HashMap<&str, u64> = text
        .lines()
        .filter_map(|line| line.trim().split_once(' '))
        .filter_map(|(cost, name)| Some((name, cost.parse().ok()?)))
        .collect();
    let mut failed = recorded.keys().filter(|name| costs.iter().all(|(known, _)| known != *name)).count();
    for (name, cost) in costs {
        let before = recorded.get(name).copied().unwrap_or(0);
        let change = *cost as f64 / before as f64 - 1.0;
        let same = change.abs() <= TOLERANCE;
        failed += usize::from(!same);
        let verdict = if same { "ok" } else { "CHANGED" };
        writeln!(io::stdout(), "{cost:>8} {before:>8} {:>+6.1} % {verdict:>8}  {name}", change * 100.0)?;
    }
    writeln!(io::stdout(), "{} passed, {failed} failed", costs.len().saturating_sub(failed))?;
    Ok(failed == 0)
}
