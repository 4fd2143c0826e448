//! Why connections ended.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::close::CloseReason;

/// Counts the connections that have ended, by reason.
#[derive(Debug, Default)]
pub(crate) struct EndCounts([AtomicU64; CloseReason::ALL.len()]);

impl EndCounts {
    pub(crate) fn count(&self, reason: CloseReason) {
        self.0[reason as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn of(&self, reason: CloseReason) -> u64 {
        self.0[reason as usize].load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_has_a_count_of_its_own() {
        let counts = EndCounts::default();
        for reason in CloseReason::ALL {
            counts.count(reason);
            assert_eq!(CloseReason::ALL.map(|reason| counts.of(reason)).iter().sum::<u64>(), 1 + reason as u64);
            assert_eq!(counts.of(reason), 1, "{reason:?}");
        }
    }
}
