//! The headers of forwarded requests that were accepted, for as long as they would be accepted again.

use std::collections::HashSet;
use std::time::Duration;

use tokio::time::Instant;

use super::secrets::Mac;
use super::token::CLOCK_TOLERANCE;

/// How long a header can be accepted: from the time at which it is still from the future.
const LIFETIME: Duration = CLOCK_TOLERANCE.saturating_mul(2);

/// How many headers each half remembers. Beyond that, the older half is forgotten early: only nodes make headers, and a node
/// does not serve more requests in this time.
const MOST: usize = 500_000;

/// The macs of headers, in two halves: when the younger half is as old as a header may be, the older one is forgotten.
#[derive(Debug)]
pub(super) struct SeenHeaders {
    young: HashSet<Mac>,
    old: HashSet<Mac>,
    since: Instant,
}

impl SeenHeaders {
    pub(super) fn new(now: Instant) -> Self {
        Self { young: HashSet::new(), old: HashSet::new(), since: now }
    }

    /// Remembers a header. Returns `false` if it was seen before.
    pub(super) fn insert(&mut self, mac: Mac, now: Instant) -> bool {
        if now.duration_since(self.since) > LIFETIME || self.young.len() >= MOST {
            self.old = std::mem::take(&mut self.young);
            self.since = now;
        }
        !self.old.contains(&mac) && self.young.insert(mac)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_remembered_for_as_long_as_it_can_be_accepted() {
        let start = Instant::now();
        let mut seen = SeenHeaders::new(start);
        assert!(seen.insert([1; 16], start + Duration::from_secs(59)));
        assert!(!seen.insert([1; 16], start + Duration::from_secs(60)));
        assert!(seen.insert([2; 16], start + Duration::from_secs(61)));
        assert!(!seen.insert([1; 16], start + Duration::from_secs(119)));
        assert!(seen.insert([3; 16], start + Duration::from_secs(122)));
        assert!(seen.insert([1; 16], start + Duration::from_secs(122)), "memory is not kept without end");
    }
}
