//! What one receiver got of one stream: each event once and in order, or what was wrong.

use std::collections::BTreeSet;
use std::ops::Range;

/// The sequence numbers that have come.
#[derive(Debug, Default)]
pub(crate) struct Proof {
    /// All numbers below have come, except those that are missing.
    next: u32,
    /// In ascending order, not empty, and not adjacent.
    missing: Vec<Range<u32>>,
}

/// What an event is to its receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// It came for the first time, and none after it came before.
    InOrder,
    /// It came for the first time, but after a later one.
    OutOfOrder,
    /// It has come before.
    Doubled,
}

impl Proof {
    /// Takes the next event that came.
    pub(crate) fn take(&mut self, sequence: u32) -> Arrival {
        if sequence >= self.next {
            if sequence > self.next {
                self.missing.push(self.next..sequence);
            }
            self.next = sequence.saturating_add(1);
            return Arrival::InOrder;
        }
        let index = self.missing.partition_point(|range| range.end <= sequence);
        match self.missing.get(index).cloned() {
            Some(range) if range.contains(&sequence) => {
                let parts = [range.start..sequence, sequence + 1..range.end];
                self.missing.splice(index..=index, parts.into_iter().filter(|part| !part.is_empty()));
                Arrival::OutOfOrder
            }
            _ => Arrival::Doubled,
        }
    }

    /// Counts those of the published events that did not come. The refused ones were not published.
    pub(crate) fn lost(&self, published: Range<u32>, refused: &BTreeSet<u32>) -> u64 {
        let behind = self.next..published.end;
        let gaps = self.missing.iter().cloned().chain([behind]);
        let lost = gaps.map(|gap| gap.start.max(published.start)..gap.end.min(published.end));
        lost.filter(|gap| !gap.is_empty()).map(|gap| gap.len() as u64 - refused.range(gap).count() as u64).sum()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_lost_doubled_or_out_of_order_is_told_apart() {
        let mut proof = Proof::default();
        let arrivals = [0, 1, 1, 4, 2, 2, 5].map(|sequence| proof.take(sequence));
        use Arrival::{Doubled, InOrder, OutOfOrder};
        assert_eq!(arrivals, [InOrder, InOrder, Doubled, InOrder, OutOfOrder, Doubled, InOrder]);
        let none = BTreeSet::new();
        assert_eq!(proof.lost(0..8, &none), 3, "3, 6 and 7");
        assert_eq!(proof.lost(4..8, &none), 2, "what is before the measured part does not count");
        assert_eq!(proof.lost(0..8, &BTreeSet::from([3, 7])), 1, "what was not published cannot be lost");
        assert_eq!(proof.lost(8..8, &none), 0);
    }

    proptest! {
        /// The ranges say the same as a set of all that came.
        #[test]
        fn it_agrees_with_a_set(sequences in proptest::collection::vec(0_u32..40, 0..80), start in 0_u32..20) {
            let (mut proof, mut set) = (Proof::default(), BTreeSet::new());
            for sequence in sequences {
                let expected = match set.last() {
                    _ if set.contains(&sequence) => Arrival::Doubled,
                    Some(last) if *last > sequence => Arrival::OutOfOrder,
                    _ => Arrival::InOrder,
                };
                prop_assert_eq!(proof.take(sequence), expected);
                set.insert(sequence);
            }
            let lost = (start..30).filter(|sequence| !set.contains(sequence)).count() as u64;
            prop_assert_eq!(proof.lost(start..30, &BTreeSet::new()), lost);
        }
    }
}
