//! The tokens of connections that have ended, for as long as they would open another connection.

use std::collections::{HashSet, VecDeque};

use tokio::time::Instant;

use super::token::ConnectionKey;

/// How many tokens are remembered. Each needs a connection, so that this many are used up within a minute only under an
/// attack. Then the oldest ones are forgotten, and the claims of the cluster alone refuse them.
const MOST: usize = 500_000;

/// The tokens that were used up, until they expire.
#[derive(Debug, Default)]
pub(super) struct UsedTokens {
    keys: HashSet<ConnectionKey>,
    /// In the order in which they were added. They expire in about the same order.
    order: VecDeque<(Instant, ConnectionKey)>,
}

impl UsedTokens {
    /// Remembers a token until it expires.
    pub(super) fn insert(&mut self, key: ConnectionKey, until: Instant, now: Instant) {
        while let Some((expires, oldest)) = self.order.front()
            && (*expires <= now || self.order.len() >= MOST)
        {
            self.keys.remove(oldest);
            self.order.pop_front();
        }
        if self.keys.insert(key) {
            self.order.push_back((until, key));
        }
    }

    /// Tells whether a token was used up. It may say so a little longer than needed.
    pub(super) fn contains(&self, key: &ConnectionKey) -> bool {
        self.keys.contains(key)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn tokens_are_forgotten_when_they_have_expired() {
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        let mut used = UsedTokens::default();
        used.insert([1; 16], start + 45 * second, start);
        used.insert([1; 16], start + 45 * second, start);
        used.insert([2; 16], start + 60 * second, start + 15 * second);
        assert!(used.contains(&[1; 16]) && used.contains(&[2; 16]) && !used.contains(&[3; 16]));
        used.insert([3; 16], start + 90 * second, start + 45 * second);
        assert!(!used.contains(&[1; 16]) && used.contains(&[2; 16]) && used.contains(&[3; 16]));
        assert_eq!((used.keys.len(), used.order.len()), (2, 2));
    }
}
