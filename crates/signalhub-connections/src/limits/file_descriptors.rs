//! Keeps file descriptors free for the rest of the process, such as its log files.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rustix::process::{Resource, getrlimit, setrlimit};
use tokio::time::Instant;

/// How long to wait before counting again after a count has found none free. Counting lists all open descriptors.
const RECOUNT: Duration = Duration::from_secs(1);

/// How many sockets all servers of this process have admitted. They share its descriptors, so each must notice what the
/// others take between two counts.
static ADMITTED: AtomicUsize = AtomicUsize::new(0);

/// Decides whether one more socket of a server may be open.
#[derive(Debug)]
pub(crate) struct Descriptors {
    /// How many descriptors may be open without the headroom; `None` if the system does not tell.
    most: Option<usize>,
    /// How many sockets the servers that share the descriptors have admitted.
    admitted: &'static AtomicUsize,
    /// How many they had admitted before the last count.
    counted_at: usize,
    /// How many they may admit after it, until this server counts again.
    credit: usize,
    none_free_at: Option<Instant>,
}

impl Descriptors {
    pub(crate) fn new(headroom: usize) -> Self {
        Self::sharing(&ADMITTED, limit().map(|limit| limit.saturating_sub(headroom)))
    }

    fn sharing(admitted: &'static AtomicUsize, most: Option<usize>) -> Self {
        Self { most, admitted, counted_at: 0, credit: 0, none_free_at: None }
    }

    /// How many descriptors may be open without the headroom; `None` if the system does not tell.
    pub(crate) fn most(&self) -> Option<usize> {
        self.most
    }

    /// Tells whether the socket that was just accepted may stay open.
    pub(crate) fn admit(&mut self, now: Instant) -> bool {
        self.admit_by(now, open)
    }

    fn admit_by(&mut self, now: Instant, count: impl FnOnce() -> Option<usize>) -> bool {
        let Some(most) = self.most else { return true };
        let admitted = self.admitted.load(Ordering::Relaxed);
        if admitted.wrapping_sub(self.counted_at) >= self.credit {
            if self.none_free_at.is_some_and(|at| now.duration_since(at) < RECOUNT) {
                return false;
            }
            let Some(open) = count() else { return true };
            if open > most {
                self.none_free_at = Some(now);
                return false;
            }
            self.none_free_at = None;
            // Other code opens files too, so only half of the free descriptors are given away without counting again.
            self.credit = (most - open) / 2 + 1;
            self.counted_at = admitted;
        }
        self.admitted.fetch_add(1, Ordering::Relaxed);
        true
    }
}

/// Raises the number of file descriptors that this process may have open to the maximum that the system allows (the hard
/// limit), and returns the new number; `None` is without limit.
///
/// Most systems start programs with a much lower soft limit, because old programs that use `select` need it.
pub fn raise_file_descriptor_limit() -> Option<usize> {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // Some systems refuse their own maximum; then the limit stays as it is.
    let _ = setrlimit(Resource::Nofile, limit);
    getrlimit(Resource::Nofile).current.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX))
}

/// How many descriptors this process may have open.
fn limit() -> Option<usize> {
    if cfg!(target_os = "linux") { parse_limit(&std::fs::read_to_string("/proc/self/limits").ok()?) } else { None }
}

fn parse_limit(limits: &str) -> Option<usize> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// How many descriptors are open.
fn open() -> Option<usize> {
    Some(std::fs::read_dir("/proc/self/fd").ok()?.count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptors_are_counted_rarely_until_they_run_short() {
        static ADMITTED: AtomicUsize = AtomicUsize::new(0);
        let start = Instant::now();
        let mut descriptors = Descriptors::sharing(&ADMITTED, Some(1000));
        let (mut open, mut counts) = (0, 0);
        while descriptors.admit_by(start, || {
            counts += 1;
            Some(open + 1)
        }) {
            open += 1;
        }
        assert_eq!((open, counts), (1000, 11), "every count gives half of what is left");
        assert!(!descriptors.admit_by(start + RECOUNT / 2, || panic!("counted too soon")));
        assert!(descriptors.admit_by(start + RECOUNT, || Some(999)));
        assert!(!descriptors.admit_by(start + RECOUNT, || Some(1001)));
    }

    #[test]
    fn servers_that_share_the_descriptors_keep_the_headroom_together() {
        static ADMITTED: AtomicUsize = AtomicUsize::new(usize::MAX - 10);
        let now = Instant::now();
        let mut servers = [(); 3].map(|()| Descriptors::sharing(&ADMITTED, Some(1000)));
        let (mut open, mut refused) = (0, 0);
        for server in (0..servers.len()).cycle() {
            match servers[server].admit_by(now, || Some(open + 1)) {
                true => (open, refused) = (open + 1, 0),
                false if refused == servers.len() => break,
                false => refused += 1,
            }
        }
        assert_eq!(open, 1000);
    }

    #[test]
    fn the_limit_of_the_process_is_raised_to_what_is_allowed() {
        let raised = raise_file_descriptor_limit();
        assert_eq!(raised.map(|raised| raised as u64), getrlimit(Resource::Nofile).maximum);
        if cfg!(target_os = "linux") {
            assert_eq!(limit(), raised);
        }
    }

    #[test]
    fn the_limit_of_the_process_is_read() {
        let text = "Limit                     Soft Limit           Hard Limit           Units     \n\
            Max processes             94000                94000                processes \n\
            Max open files            1024                 524288               files     \n";
        assert_eq!(parse_limit(text), Some(1024));
        assert_eq!(parse_limit(&text.replace("1024", "unlimited")), None);
        assert_eq!(parse_limit(""), None);
        if cfg!(target_os = "linux") {
            assert!(limit().unwrap() > open().unwrap());
        }
    }
}
