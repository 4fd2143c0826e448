//! A process seen from outside.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

/// The unit of CPU times in `/proc` (proc_pid_stat(5)): Linux shows them in hundredths of a second on all usual machines.
const TICK: Duration = Duration::from_millis(10);

/// What a process holds at a moment.
#[derive(Debug, Clone)]
pub(crate) struct Vitals {
    /// Bytes of resident memory.
    pub(crate) resident: u64,
    pub(crate) threads: u64,
    pub(crate) descriptors: u64,
    /// Those of the descriptors that are sockets.
    pub(crate) sockets: u64,
    /// The CPU time used so far.
    pub(crate) cpu: Duration,
}

impl Vitals {
    /// Reads them from `/proc`.
    pub(crate) fn of(process: u32) -> io::Result<Self> {
        let folder = Path::new("/proc").join(process.to_string());
        let status = fs::read_to_string(folder.join("status"))?;
        let kibibytes = status_field(&status, "VmRSS:")?;
        let (mut descriptors, mut sockets) = (0, 0);
        for entry in fs::read_dir(folder.join("fd"))? {
            descriptors += 1;
            // It may have been closed since it was listed.
            let link = fs::read_link(entry?.path());
            sockets += u64::from(link.is_ok_and(|link| link.to_string_lossy().starts_with("socket:")));
        }
        Ok(Self {
            resident: kibibytes * 1024,
            threads: status_field(&status, "Threads:")?,
            descriptors,
            sockets,
            cpu: cpu(&fs::read_to_string(folder.join("stat"))?)?,
        })
    }
}

/// The first number behind a name in `/proc/PID/status`.
fn status_field(status: &str, name: &str) -> io::Result<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|line| line.split_whitespace().next()).and_then(|number| number.parse().ok());
    number.ok_or_else(|| io::Error::other(format!("no number is called {name}")))
}

/// The CPU time in `/proc/PID/stat`: its fields 14 and 15, counted behind the name, which may hold blanks.
fn cpu(stat: &str) -> io::Result<Duration> {
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields).split_whitespace();
    let ticks: Vec<u32> = fields.skip(11).take(2).filter_map(|field| field.parse().ok()).collect();
    match ticks[..] {
        [user, system] => Ok(TICK * user.saturating_add(system)),
        _ => Err(io::Error::other("there are no CPU times")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_read_as_the_manual_says() {
        let status = "Name:\tx y\nVmRSS:\t    1234 kB\nThreads:\t7\n";
        assert_eq!(status_field(status, "VmRSS:").unwrap(), 1234);
        assert_eq!(status_field(status, "Threads:").unwrap(), 7);
        assert!(status_field(status, "VmPeak:").is_err());
        let stat = "17 (a (strange) name) S 1 17 17 0 -1 4194304 900 0 0 0 120 30 0 0 20 0 7 0 100 0 0";
        assert_eq!(cpu(stat).unwrap(), Duration::from_millis(1500));
        assert!(cpu("17 (x) S 1").is_err());
    }
}
