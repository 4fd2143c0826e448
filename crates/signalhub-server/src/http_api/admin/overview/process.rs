//! What the process takes, as Linux tells it.

use std::fs;

use serde::Serialize;

/// The size of a page of memory in `/proc/self/status` is a kibibyte.
const STATUS_UNIT: u64 = 1024;

/// Open files and sockets.
#[derive(Debug, Serialize)]
pub(super) struct Descriptors {
    open: usize,
    limit: Option<u64>,
}

/// The resident memory.
pub(super) fn resident_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? * STATUS_UNIT)
}

/// How many descriptors are open, and how many may be.
pub(super) fn descriptors() -> Option<Descriptors> {
    // The one that reads the directory is among them.
    let open = fs::read_dir("/proc/self/fd").ok()?.count().saturating_sub(1);
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    Some(Descriptors { open, limit: line.and_then(|line| line.split_whitespace().next()?.parse().ok()) })
}
