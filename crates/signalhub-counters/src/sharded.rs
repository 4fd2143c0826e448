//! `Sharded`: a value in a few copies, so that threads that count at the same time do not wait for each other.

use std::array;
use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many copies there are. More threads than this share copies, which stays correct if the value is atomic.
const SHARDS: usize = 4;

thread_local! {
    /// The copy of this thread; none until the first use.
    static SHARD: Cell<usize> = const { Cell::new(usize::MAX) };
}

/// A value in a few copies. Each thread changes the same copy every time; readers add all of them up.
#[derive(Debug, Default)]
pub struct Sharded<T>([Padded<T>; SHARDS]);

/// A value that shares its cache lines, which the processor fetches in pairs, with no other.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Padded<T>(T);

impl<T> Sharded<T> {
    /// Creates all copies.
    pub fn new(make: impl Fn() -> T) -> Self {
        Self(array::from_fn(|_| Padded(make())))
    }

    /// The copy of this thread.
    #[inline]
    pub fn here(&self) -> &T {
        let shard = SHARD.with(|shard| match shard.get() {
            known @ 0..SHARDS => known,
            _ => choose(shard),
        });
        &self.0[shard].0
    }

    /// All copies.
    pub fn all(&self) -> impl Iterator<Item = &T> {
        self.0.iter().map(|padded| &padded.0)
    }
}

/// Chooses the copy of this thread.
#[cold]
fn choose(shard: &Cell<usize>) -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let chosen = NEXT.fetch_add(1, Ordering::Relaxed) % SHARDS;
    shard.set(chosen);
    chosen
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;
    use std::thread;

    use super::*;

    #[test]
    fn what_many_threads_count_at_once_is_counted_completely() {
        let counter = Sharded::<AtomicU64>::default();
        let count = |counter: &Sharded<AtomicU64>| {
            counter.here().fetch_add(1, Ordering::Relaxed);
        };
        thread::scope(|scope| {
            for _ in 0..2 * SHARDS {
                scope.spawn(|| (0..1_000).for_each(|_| count(&counter)));
            }
        });
        let counts: Vec<u64> = counter.all().map(|shard| shard.load(Ordering::Relaxed)).collect();
        assert_eq!(counts.iter().sum::<u64>(), 2 * SHARDS as u64 * 1_000);
        assert!(counts.iter().filter(|count| **count > 0).count() > 1, "{counts:?}");
    }
}
