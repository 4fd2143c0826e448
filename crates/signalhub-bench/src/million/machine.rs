//! The machine as the kernel shows it in `/proc`: memory, and what groups of processes take.

use std::fs;
use std::io;
use std::time::{Duration, Instant};

use rustix::process::{Resource, getrlimit};
use serde::Serialize;
use signalhub_load::process::{Usage, busy};

/// The memory of the machine at a moment, in bytes (proc_meminfo(5)).
#[derive(Debug, Clone, Copy)]
pub(super) struct Memory {
    /// What is free, or in page cache. `MemAvailable` is more: it counts the inodes of open sockets as if they could be given back.
    pub(super) available: u64,
    /// What the kernel uses for itself: all that is neither free, nor page cache, nor memory of processes.
    pub(super) kernel: u64,
    /// The part of it in slabs: sockets, inodes, entries of directories and of epoll.
    pub(super) slab: u64,
}

impl Memory {
    /// Reads it.
    pub(super) fn now() -> io::Result<Self> {
        Self::read(&fs::read_to_string("/proc/meminfo")?)
    }

    fn read(text: &str) -> io::Result<Self> {
        let field = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            let number = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
            number.map(|number| number * 1024).ok_or_else(|| io::Error::other(format!("/proc/meminfo has no {name}")))
        };
        let pages = field("MemFree")? + field("Buffers")? + field("Cached")?;
        let available = pages.saturating_sub(field("Shmem")?).min(field("MemAvailable")?);
        let kernel = field("MemTotal")?.saturating_sub(pages + field("AnonPages")?);
        Ok(Self { available, kernel, slab: field("Slab")? })
    }
}

/// What some processes take together.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Group {
    /// Bytes of resident memory.
    pub(super) resident: u64,
    pub(super) cpu: Duration,
}

impl Group {
    /// Looks at these processes.
    pub(super) fn of(processes: &[u32]) -> io::Result<Self> {
        processes.iter().try_fold(Self::default(), |all, process| {
            let Usage { resident, user, system } = Usage::of(*process)?;
            Ok(Self { resident: all.resident + resident, cpu: all.cpu + user + system })
        })
    }
}

/// The machine and the processes of a run at a moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    pub(super) at: Instant,
    pub(super) memory: Memory,
    pub(super) nodes: Group,
    pub(super) generators: Group,
    pub(super) redis: Group,
    /// How long all processors have worked.
    busy: Duration,
}

/// Seconds of CPU time between two moments.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(super) struct Cpu {
    /// The time between them.
    pub(super) wall: f64,
    pub(super) nodes: f64,
    pub(super) generators: f64,
    pub(super) redis: f64,
    /// Of all processors, for whatever purpose.
    pub(super) machine: f64,
}

impl Moment {
    /// Looks at everything.
    pub(super) fn now(nodes: &[u32], generators: &[u32], redis: u32) -> io::Result<Self> {
        Ok(Self {
            at: Instant::now(),
            memory: Memory::now()?,
            nodes: Group::of(nodes)?,
            generators: Group::of(generators)?,
            redis: Group::of(&[redis])?,
            busy: busy()?,
        })
    }

    /// The CPU time that was used since an earlier moment.
    pub(super) fn cpu_since(&self, earlier: &Self) -> Cpu {
        let seconds = |of: fn(&Self) -> Duration| of(self).saturating_sub(of(earlier)).as_secs_f64();
        Cpu {
            wall: (self.at - earlier.at).as_secs_f64(),
            nodes: seconds(|moment| moment.nodes.cpu),
            generators: seconds(|moment| moment.generators.cpu),
            redis: seconds(|moment| moment.redis.cpu),
            machine: seconds(|moment| moment.busy),
        }
    }
}

/// How many files a process may have open (`ulimit -n`).
pub(super) fn open_files() -> usize {
    let limit = getrlimit(Resource::Nofile).current;
    limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_of_the_kernel_is_what_no_other_owner_has() {
        let text = "MemTotal:  1000 kB\nMemFree:  100 kB\nMemAvailable:  500 kB\nBuffers:  20 kB\nCached:  300 kB\n\
            Shmem:  40 kB\nAnonPages:  250 kB\nSlab:  200 kB\n";
        let memory = Memory::read(text).unwrap();
        assert_eq!([memory.available, memory.kernel, memory.slab].map(|bytes| bytes / 1024), [380, 330, 200]);
        assert!(Memory::read("MemTotal:  1000 kB\n").is_err());
    }
}
