//! The offsets of events that the catalogue does not hold. The number of names is limited, because any publisher can use new ones.

use std::collections::{BTreeMap, HashMap};

use crate::name::EventName;

/// How many names with subscribers each new name may skip in the search for one without subscribers, which can be forgotten.
const TRIES: usize = 8;

/// Counts the events of each name, and forgets names that were not used for the longest time.
///
/// No position is given twice. A forgotten name that returns continues after the highest offset of all forgotten names.
#[derive(Debug)]
pub(crate) struct Undeclared {
    most: usize,
    names: HashMap<EventName, Usage>,
    /// The names by their last use.
    by_use: BTreeMap<u64, EventName>,
    uses: u64,
    highest_forgotten: u64,
}

#[derive(Debug)]
struct Usage {
    offset: u64,
    last: u64,
}

impl Undeclared {
    /// Keeps at most this number of names, beside those with subscribers.
    pub(crate) fn new(most: usize) -> Self {
        Self { most, names: HashMap::new(), by_use: BTreeMap::new(), uses: 0, highest_forgotten: 0 }
    }

    /// Returns the offset of the next event of a name. A name with subscribers is not forgotten.
    pub(crate) fn next_offset(&mut self, name: &EventName, is_wanted: impl Fn(&EventName) -> bool) -> u64 {
        self.uses += 1;
        let offset = match self.names.get_mut(name) {
            Some(usage) => {
                self.by_use.remove(&usage.last);
                usage.last = self.uses;
                usage.offset += 1;
                usage.offset
            }
            None => {
                let usage = Usage { offset: self.highest_forgotten + 1, last: self.uses };
                let offset = usage.offset;
                self.names.insert(name.clone(), usage);
                offset
            }
        };
        self.by_use.insert(self.uses, name.clone());
        self.forget_one(is_wanted);
        offset
    }

    /// Returns the offset of the latest event of a name; 0 or higher if it is not known.
    pub(crate) fn latest(&self, name: &EventName) -> u64 {
        self.names.get(name).map_or(self.highest_forgotten, |usage| usage.offset)
    }

    fn forget_one(&mut self, is_wanted: impl Fn(&EventName) -> bool) {
        for _ in 0..TRIES {
            if self.names.len() <= self.most {
                return;
            }
            let Some((_, oldest)) = self.by_use.pop_first() else { return };
            if is_wanted(&oldest) {
                self.uses += 1;
                if let Some(usage) = self.names.get_mut(&oldest) {
                    usage.last = self.uses;
                }
                self.by_use.insert(self.uses, oldest);
            } else if let Some(usage) = self.names.remove(&oldest) {
                self.highest_forgotten = self.highest_forgotten.max(usage.offset);
            }
        }
    }
}

#[cfg(test)]
mod tests;
