//! What a cluster on Redis costs: three nodes and a Redis server of their own beside a single node, in the same run.

mod connect;
mod delivery;
mod nodes;
mod proxy;
mod publish;
mod redis;
mod stamps;

use std::io;
use std::time::Duration;

use super::Arguments;
use super::rows::{self, Measured, Row, Scenario};
use super::suite::Bench;
use redis::Redis;

/// All of them, in the order of the table. C6 is the gate that counts instructions.
const SCENARIOS: [(&str, Scenario); 5] = [
    ("cluster-publish", publish::costs),
    ("cluster-latency", delivery::latency),
    ("cluster-cut", delivery::catch_up),
    ("cluster-connect", connect::costs),
    ("cluster-broadcast", delivery::broadcast),
];

/// A single node, and a node of the cluster.
pub(super) const COLUMNS: [&str; 2] = ["alone", "cluster"];

impl Row {
    fn alone(self, value: f64) -> Self {
        self.value("alone", value)
    }

    fn cluster(self, value: f64) -> Self {
        self.value("cluster", value)
    }
}

impl Bench<'_> {
    /// How long a measurement lasts.
    fn time(&self) -> Duration {
        Duration::from_secs_f64(self.arguments.cluster_seconds)
    }

    /// A number of repetitions, which is for measurements of three seconds.
    fn scaled(&self, count: usize) -> usize {
        ((count as f64 * self.arguments.cluster_seconds / 3.0) as usize).max(1)
    }
}

/// Runs the scenarios whose names begin as wanted, if there is a Redis server.
pub(super) fn run(arguments: &Arguments) -> Measured {
    if !SCENARIOS.iter().any(|(name, _)| name.starts_with(&arguments.only)) {
        return Measured::default();
    }
    match Redis::is_installed() {
        Ok(true) => rows::measure(arguments, &SCENARIOS),
        Ok(false) => {
            let why = "not run: redis-server is not installed".to_owned();
            Measured { rows: vec![Row::new("C1–C8", "cluster", "").beside(why)], ..Measured::default() }
        }
        Err(error) => Measured { failures: vec![cannot_run(&error)], ..Measured::default() },
    }
}

fn cannot_run(error: &io::Error) -> String {
    format!("cluster: redis-server cannot be run: {error}")
}
