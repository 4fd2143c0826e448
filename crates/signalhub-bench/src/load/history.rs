//! What a history costs: servers without one, with one in memory and with one on disk, in the same run.

mod connections;
mod publish;
mod replay;
mod server;
mod written;

use super::rows::{Row, Scenario};

/// All of them, in the order of the table.
pub(super) const SCENARIOS: [(&str, Scenario); 6] = [
    ("history-subscribed", publish::to_subscribers),
    ("history-publish", publish::receipts),
    ("history-broadcast", connections::broadcast_to_1000),
    ("history-replay", replay::replay_and_open),
    ("history-written", written::bytes),
    ("history-idle", connections::idle_memory),
];

/// The kinds of history.
pub(super) const COLUMNS: [&str; 3] = ["off", "memory", "disk"];

impl Row {
    /// Without a history.
    fn off(self, value: f64) -> Self {
        self.value("off", value)
    }

    fn memory(self, value: f64) -> Self {
        self.value("memory", value)
    }

    fn disk(self, value: f64) -> Self {
        self.value("disk", value)
    }
}
