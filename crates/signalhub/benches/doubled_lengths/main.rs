//! What messages cost that are twice as long: about twice as much, whatever fills them.
//!
//! `cargo bench -p signalhub --bench doubled_lengths` counts the instructions of a hub that takes each kind of message, in
//! several lengths, under callgrind (so on Linux with valgrind), and fails where a doubled length costs far more than the
//! double. Names of rows may be given, or parts of them.

#![allow(clippy::unwrap_used, reason = "a bench may panic")]

#[path = "../support/callgrind.rs"]
mod callgrind;
mod messages;
mod stage;

use std::env;
use std::io::{self, Write};
use std::process::ExitCode;

use messages::ROWS;
use signalhub::protocol::Protocol;

/// The lengths of the messages in bytes, each the double of the one before.
const LENGTHS: [usize; 3] = [8 * 1024, 16 * 1024, 32 * 1024];

/// How many times as much a doubled length may cost: more than twice, because ordered tables are searched and tables grow in steps.
const MOST: f64 = 2.2;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if let [run, name, length] = &arguments[..]
        && run == "--run"
    {
        let row = ROWS.iter().find(|row| row.name == name).unwrap();
        stage::run(row, length.parse().unwrap());
        return ExitCode::SUCCESS;
    }
    match compare(&arguments) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            let _ = writeln!(io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    }
}

/// Prints what each row costs, and counts those that cost too much.
fn compare(parts: &[String]) -> io::Result<usize> {
    let (mut passed, mut failed) = (0, 0);
    let mut without = [None; Protocol::ALL.len()];
    writeln!(io::stdout(), "instructions for messages of {LENGTHS:?} bytes, and how much each doubling costs")?;
    for row in ROWS.iter().filter(|row| parts.is_empty() || parts.iter().any(|part| row.name.contains(part))) {
        let cost = |length: usize| callgrind::instructions(&["--run", row.name, &length.to_string()]);
        // Without a message all rows of a protocol cost the same.
        let without = match &mut without[row.protocol as usize] {
            Some(known) => *known,
            unknown => *unknown.insert(cost(0)?),
        };
        let mut costs = Vec::new();
        for length in LENGTHS {
            costs.push(cost(length)?.saturating_sub(without).max(1));
        }
        let growth: Vec<f64> = costs.windows(2).map(|pair| pair[1] as f64 / pair[0] as f64).collect();
        let linear = growth.iter().all(|times| *times <= MOST);
        *if linear { &mut passed } else { &mut failed } += 1;
        let verdict = if linear { "ok" } else { "TOO MUCH" };
        let growth: Vec<String> = growth.iter().map(|times| format!("{times:.2}")).collect();
        writeln!(
            io::stdout(),
            "{:>10} {:>10} {:>10}  {} {verdict:>8}  {}",
            costs[0],
            costs[1],
            costs[2],
            growth.join(" "),
            row.name
        )?;
    }
    writeln!(io::stdout(), "{passed} passed, {failed} failed")?;
    Ok(failed)
}
