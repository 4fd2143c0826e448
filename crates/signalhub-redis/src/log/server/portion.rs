//! How much a reader asks for at once.
//!
//! `XREAD` limits the entries of each name, and not their bytes. A reader that catches up over a slow network would ask for more than can come
//! in time, again and again. So it asks for few entries at first, for more as long as they come quickly, and for fewer when they did not come.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// How many entries of a name a read returns at most.
const MOST_OF_NAME: usize = 512;

/// With how many entries, of all names together, a new connection begins at most.
const FIRST: usize = 1_024;

/// An answer that took longer is not followed by a larger one.
const QUICK: Duration = Duration::from_millis(500);

/// More bytes are followed by fewer entries.
const MANY_BYTES: usize = 16 << 20;

/// How many entries of all names a reader asks for. It outlives the connections of the reader.
#[derive(Debug)]
pub(super) struct Portion(AtomicUsize);

/// What is asked for at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Part {
    /// How many names.
    pub(super) names: usize,
    /// How many entries of each.
    pub(super) of_name: usize,
}

impl Default for Portion {
    fn default() -> Self {
        Self(AtomicUsize::new(FIRST))
    }
}

impl Portion {
    /// A connection is opened: more may wait than on the last one.
    pub(super) fn begin(&self) {
        self.0.fetch_min(FIRST, Ordering::Relaxed);
    }

    /// How many entries.
    pub(super) fn entries(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    /// How that is shared out among names.
    pub(super) fn of(&self, names: usize) -> Part {
        let entries = self.entries();
        Part { names: names.min(entries), of_name: (entries / names.max(1)).clamp(1, MOST_OF_NAME) }
    }

    /// Whether it asks for so little that an answer without much in it may still take long.
    pub(super) fn is_small(&self) -> bool {
        self.entries() < FIRST / 8
    }

    /// There was no answer in time.
    pub(super) fn failed(&self) {
        let entries = self.entries();
        self.0.store((entries / 8).max(1), Ordering::Relaxed);
    }

    /// There was an answer with this number of bytes, where this number of names is read.
    pub(super) fn answered(&self, begun: Instant, bytes: usize, names: usize) {
        let entries = self.entries();
        let next = if bytes > MANY_BYTES {
            entries / 2
        } else if bytes == 0 || (begun.elapsed() < QUICK && bytes < MANY_BYTES / 2) {
            (entries * 2).min(MOST_OF_NAME * names.max(1)).max(entries.min(FIRST))
        } else {
            return;
        };
        self.0.store(next.max(1), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn answers_that_do_not_come_make_it_smaller_down_to_one_entry_and_quick_ones_larger() {
        let portion = Portion::default();
        assert_eq!(portion.of(4), Part { names: 4, of_name: 256 });
        portion.failed();
        assert_eq!(portion.of(4), Part { names: 4, of_name: 32 });
        portion.failed();
        assert_eq!(portion.of(100), Part { names: 16, of_name: 1 }, "a part of the names");
        portion.failed();
        portion.failed();
        assert_eq!(portion.of(100), Part { names: 1, of_name: 1 });
        for _ in 0..20 {
            portion.answered(Instant::now(), 1_000, 100);
        }
        assert_eq!(portion.of(100), Part { names: 100, of_name: 512 });
        portion.begin();
        assert_eq!(portion.of(100), Part { names: 100, of_name: 10 });
        portion.answered(Instant::now(), 40 << 20, 100);
        assert_eq!(portion.of(100), Part { names: 100, of_name: 5 }, "memory is bounded");
        let begun = Instant::now();
        tokio::time::advance(Duration::from_secs(1)).await;
        portion.answered(begun, 1_000, 100);
        assert_eq!(portion.of(100), Part { names: 100, of_name: 5 }, "it was slow");
        assert_eq!(portion.of(0), Part { names: 0, of_name: 512 });
    }
}
