//! The process: the metrics that every client library of Prometheus has, with their usual names. They are read from `/proc`,
//! so there are none on other systems.

use std::fmt;
use std::fs;

use super::page::Page;

/// How many ticks a second has in `/proc`, on every processor that Linux runs on.
const TICKS: f64 = 100.0;

/// What `/proc` tells.
#[derive(Debug, PartialEq)]
pub(crate) struct Process {
    cpu_seconds: f64,
    pub(crate) resident_bytes: u64,
    pub(crate) open_fds: usize,
    /// `None` if there is no limit.
    pub(crate) max_fds: Option<u64>,
    start_seconds: f64,
}

/// Adds the metrics of the process, where there is a `/proc`.
pub(super) fn encode(page: &mut Page<'_>) -> fmt::Result {
    let Some(process) = Process::read() else { return Ok(()) };
    page.counter("process_cpu_seconds", "Processor time of the process, of user and system", process.cpu_seconds)?;
    page.gauge("process_resident_memory_bytes", "Memory that the process has in RAM", process.resident_bytes)?;
    page.gauge("process_open_fds", "File descriptors that the process has open", process.open_fds)?;
    if let Some(max_fds) = process.max_fds {
        page.gauge("process_max_fds", "How many file descriptors it may have open", max_fds)?;
    }
    page.gauge("process_start_time_seconds", "When the process began, in seconds since 1970", process.start_seconds)
}

impl Process {
    /// Reads it; `None` where there is no `/proc`.
    pub(crate) fn read() -> Option<Self> {
        let text = |path: &str| fs::read_to_string(path).ok();
        // The second field is the name of the program in parentheses, which may have spaces.
        let stat = text("/proc/self/stat")?;
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let field = |number: usize| fields.get(number - 3)?.parse::<f64>().ok();
        let booted: f64 = value(&text("/proc/stat")?, "btime")?.parse().ok()?;
        let resident = value(&text("/proc/self/status")?, "VmRSS:")?.parse::<u64>().ok()?;
        Some(Self {
            cpu_seconds: (field(14)? + field(15)?) / TICKS,
            resident_bytes: resident * 1024,
            open_fds: fs::read_dir("/proc/self/fd").ok()?.count(),
            // "unlimited" has no number.
            max_fds: value(&text("/proc/self/limits")?, "Max open files")?.parse().ok(),
            start_seconds: booted + field(22)? / TICKS,
        })
    }
}

/// The first word behind the name of a line.
fn value<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::time::{SystemTime, UNIX_EPOCH};

    use super::*;

    #[test]
    fn the_process_is_read_from_proc() {
        let process = Process::read().unwrap();
        assert!(process.resident_bytes > 1 << 20, "{process:?}");
        assert!(
            process.open_fds > 2 && process.max_fds.is_none_or(|max| max >= process.open_fds as u64),
            "{process:?}"
        );
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
        assert!((now - process.start_seconds).abs() < 3600.0, "{process:?}");
    }
}
