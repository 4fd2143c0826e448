//! A process seen from outside, by `/proc`: on Linux only.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

/// The unit of CPU times in `/proc` (proc_pid_stat(5)): Linux shows them in hundredths of a second on all usual machines.
const TICK: Duration = Duration::from_millis(10);

/// How long all processors have worked since the machine started (proc_stat(5)): neither idle nor waiting.
///
/// # Errors
/// If `/proc` cannot be read.
pub fn busy() -> io::Result<Duration> {
    let stat = fs::read_to_string("/proc/stat")?;
    let fields = stat.lines().next().unwrap_or_default().split_whitespace().skip(1);
    let ticks: Vec<u64> = fields.filter_map(|field| field.parse().ok()).collect();
    // Time of guests (the last two) is in the first ones already.
    let worked: u64 =
        ticks.iter().take(8).enumerate().filter(|(index, _)| *index != 3 && *index != 4).map(|(_, n)| n).sum();
    Ok(TICK * u32::try_from(worked).map_err(io::Error::other)?)
}

/// The memory and the CPU time of a process: read without looking at its descriptors, which takes long if there are thousands.
#[derive(Debug, Clone, Copy)]
pub struct Usage {
    /// Bytes of resident memory.
    pub resident: u64,
    /// The CPU time used so far outside the kernel, by threads that ended too.
    pub user: Duration,
    /// The CPU time used so far in the kernel.
    pub system: Duration,
}

impl Usage {
    /// Reads them from `/proc`.
    ///
    /// # Errors
    /// If `/proc` has no such process, or cannot be read.
    pub fn of(process: u32) -> io::Result<Self> {
        let folder = Path::new("/proc").join(process.to_string());
        let kibibytes = status_field(&fs::read_to_string(folder.join("status"))?, "VmRSS:")?;
        let (user, system) = cpu(&fs::read_to_string(folder.join("stat"))?)?;
        Ok(Self { resident: kibibytes * 1024, user, system })
    }
}

/// What a process holds at a moment.
#[derive(Debug, Clone)]
pub struct Vitals {
    /// Bytes of resident memory.
    pub resident: u64,
    /// How many threads it has.
    pub threads: u64,
    /// How many file descriptors are open.
    pub descriptors: u64,
    /// Those of the descriptors that are sockets.
    pub sockets: u64,
    /// The CPU time used so far outside the kernel, by threads that ended too.
    pub user: Duration,
    /// The CPU time used so far in the kernel.
    pub system: Duration,
}

impl Vitals {
    /// Reads them from `/proc`.
    ///
    /// # Errors
    /// If `/proc` has no such process, or cannot be read.
    pub fn of(process: u32) -> io::Result<Self> {
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
        let (user, system) = cpu(&fs::read_to_string(folder.join("stat"))?)?;
        Ok(Self {
            resident: kibibytes * 1024,
            threads: status_field(&status, "Threads:")?,
            descriptors,
            sockets,
            user,
            system,
        })
    }

    /// The CPU time used so far.
    pub fn cpu(&self) -> Duration {
        self.user + self.system
    }
}

/// How many bytes a process has sent to disks (proc_pid_io(5)): the pages that it changed, also if they are written later.
///
/// # Errors
/// If `/proc` has no such process, or cannot be read.
pub fn written_to_disks(process: u32) -> io::Result<u64> {
    status_field(&fs::read_to_string(format!("/proc/{process}/io"))?, "write_bytes:")
}

/// The first number behind a name in `/proc/PID/status` and the like.
fn status_field(status: &str, name: &str) -> io::Result<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|line| line.split_whitespace().next()).and_then(|number| number.parse().ok());
    number.ok_or_else(|| io::Error::other(format!("no number is called {name}")))
}

/// The CPU times in `/proc/PID/stat`, of user and system: its fields 14 and 15, counted behind the name, which may hold blanks.
fn cpu(stat: &str) -> io::Result<(Duration, Duration)> {
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields).split_whitespace();
    let ticks: Vec<u32> = fields.skip(11).take(2).filter_map(|field| field.parse().ok()).collect();
    match ticks[..] {
        [user, system] => Ok((TICK * user, TICK * system)),
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
        assert_eq!(cpu(stat).unwrap(), (Duration::from_millis(1200), Duration::from_millis(300)));
        assert!(cpu("17 (x) S 1").is_err());
    }
}
