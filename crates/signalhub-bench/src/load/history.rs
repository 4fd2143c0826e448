//! What a history costs: servers without one, with one in memory and with one on disk, in the same run.

mod connections;
mod publish;
mod replay;
mod row;
mod server;
mod written;

use std::io;

use super::Arguments;
use super::suite::Bench;

pub(super) use row::{Row, table};

type Scenario = fn(&Bench<'_>) -> io::Result<Vec<Row>>;

/// All of them, in the order of the table.
const SCENARIOS: [(&str, Scenario); 6] = [
    ("history-subscribed", publish::to_subscribers),
    ("history-publish", publish::receipts),
    ("history-broadcast", connections::broadcast_to_1000),
    ("history-replay", replay::replay_and_open),
    ("history-written", written::bytes),
    ("history-idle", connections::idle_memory),
];

/// What the scenarios have measured.
pub(super) struct Measured {
    pub(super) rows: Vec<Row>,
    /// Why scenarios have failed, each with its name. The others ran nevertheless.
    pub(super) failures: Vec<String>,
}

/// Runs the scenarios whose names begin as wanted.
pub(super) fn run(arguments: &Arguments) -> Measured {
    let bench = Bench { arguments };
    let mut measured = Measured { rows: Vec::new(), failures: Vec::new() };
    for (name, scenario) in SCENARIOS.iter().filter(|(name, _)| name.starts_with(&arguments.only)) {
        match scenario(&bench) {
            Ok(rows) => measured.rows.extend(rows),
            Err(error) => measured.failures.push(format!("{name}: {error}")),
        }
    }
    measured
}
