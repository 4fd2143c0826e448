//! The sparse index of one name: where each block of its events begins.

use std::collections::VecDeque;
use std::time::Duration;

use signalhub_events::NameLimits;

/// How many events a block has at most.
const BLOCK_EVENTS: u64 = 64;

/// How many bytes a block has at most, unless its only event is larger.
const BLOCK_BYTES: u64 = 64 << 10;

/// A block is at most this part of each limit, so that removing blocks comes close to the limit.
const PART_OF_LIMIT: u64 = 16;

/// A written event, as the index needs it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Written {
    /// The number of its row.
    pub(crate) row: i64,
    /// When it was written, in milliseconds of Unix time.
    pub(crate) at: i64,
    /// What it takes in the file.
    pub(crate) bytes: u64,
    /// Whether its row has an idempotency key.
    pub(crate) keyed: bool,
}

/// Consecutive events of one name. It ends where the next one begins.
#[derive(Debug, Clone, Copy)]
struct Block {
    /// The offset of its first event.
    first: u64,
    /// The row of its first event.
    row: i64,
    /// When its first event was written.
    at: i64,
    bytes: u32,
    keyed: bool,
}

/// A block that was removed from the index. Its rows are still in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Removed {
    /// The first of its rows,
    pub(crate) from: i64,
    /// and the one behind its last.
    pub(crate) to: i64,
    /// How many of the rows between are its events.
    pub(crate) events: u64,
    /// What they take in the file.
    pub(crate) bytes: u64,
    /// When its last event was written, or later.
    pub(crate) at: i64,
    /// Whether one of them has an idempotency key.
    pub(crate) keyed: bool,
}

/// Which events of a name are stored, and where. Offsets have no holes.
#[derive(Debug)]
pub(crate) struct Blocks {
    blocks: VecDeque<Block>,
    /// The offset of the next event.
    next: u64,
    /// The row behind the latest event.
    end: i64,
    /// When the latest event was written.
    at: i64,
    bytes: u64,
    sizes: Sizes,
}

/// How large a block may become.
#[derive(Debug, Clone, Copy)]
struct Sizes {
    events: u64,
    bytes: u64,
    age: i64,
}

impl Sizes {
    fn new(limits: &NameLimits) -> Self {
        let part = |limit: u64, most: u64| (limit / PART_OF_LIMIT).clamp(1, most);
        let age = i64::try_from(part(millis(limits.age).cast_unsigned(), u64::MAX)).unwrap_or(i64::MAX);
        Self { events: part(limits.events, BLOCK_EVENTS), bytes: part(limits.bytes, BLOCK_BYTES), age }
    }
}

/// A duration in milliseconds, as rows have their times.
pub(crate) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

impl Blocks {
    /// No events; the next one gets this offset.
    pub(crate) fn new(next: u64, limits: &NameLimits) -> Self {
        Self { blocks: VecDeque::new(), next, end: 0, at: 0, bytes: 0, sizes: Sizes::new(limits) }
    }

    /// Adds the next event.
    pub(crate) fn push(&mut self, written: Written) {
        let Written { row, at, bytes, keyed } = written;
        let fits = |block: &&mut Block| {
            self.next - block.first < self.sizes.events
                && u64::from(block.bytes) + bytes <= self.sizes.bytes
                && at.saturating_sub(block.at) < self.sizes.age
        };
        let counted = u32::try_from(bytes).unwrap_or(u32::MAX);
        match self.blocks.back_mut().filter(fits) {
            Some(block) => {
                block.bytes += counted;
                block.keyed |= keyed;
            }
            None => self.blocks.push_back(Block { first: self.next, row, at, bytes: counted, keyed }),
        }
        self.bytes += u64::from(counted);
        self.next += 1;
        self.end = row + 1;
        self.at = at;
    }

    /// Removes the oldest block.
    pub(crate) fn pop(&mut self) -> Option<Removed> {
        let block = self.blocks.pop_front()?;
        let (first, to, at) =
            self.blocks.front().map_or((self.next, self.end, self.at), |next| (next.first, next.row, next.at));
        self.bytes -= u64::from(block.bytes);
        // A name that was busy once does not keep the room for it.
        if self.blocks.len() < self.blocks.capacity() / 4 {
            self.blocks.shrink_to(self.blocks.len() * 2);
        }
        let Block { row, bytes, keyed, .. } = block;
        let at = at.max(block.at);
        Some(Removed { from: row, to, events: first - block.first, bytes: u64::from(bytes), at, keyed })
    }

    /// Continues with this offset. It must be empty.
    pub(crate) fn skip_to(&mut self, next: u64) {
        debug_assert!(self.blocks.is_empty(), "the events of a name have consecutive offsets");
        self.next = next;
    }

    /// The row of the oldest event.
    pub(crate) fn oldest_row(&self) -> Option<i64> {
        self.blocks.front().map(|block| block.row)
    }

    /// When the last event of the oldest block was written, or later.
    pub(crate) fn oldest_at(&self) -> Option<i64> {
        let block = self.blocks.front()?;
        Some(self.blocks.get(1).map_or(self.at, |next| next.at).max(block.at))
    }

    /// The lowest offset from which on every event is stored.
    pub(crate) fn first(&self) -> u64 {
        self.blocks.front().map_or(self.next, |block| block.first)
    }

    /// The offset of the next event.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    pub(crate) fn events(&self) -> u64 {
        self.next - self.first()
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// A row at which a scan for the event of this offset can begin; `None` if no such event is stored.
    pub(crate) fn row_before(&self, offset: u64) -> Option<i64> {
        let behind = self.blocks.partition_point(|block| block.first <= offset);
        let block = self.blocks.get(behind.checked_sub(1)?)?;
        (offset < self.next).then_some(block.row)
    }
}

#[cfg(test)]
mod tests;
