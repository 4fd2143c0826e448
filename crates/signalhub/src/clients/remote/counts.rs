//! Counters of a backplane.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::backplane::ChannelKind;

/// What a hub has sent to other servers and received from them, since it was built.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BackplaneCounts {
    /// Messages sent, by the kind of their channel, in the order of [`ChannelKind::ALL`].
    pub sent: [u64; ChannelKind::ALL.len()],
    /// Messages received, those that this server has sent included, in the same order.
    pub received: [u64; ChannelKind::ALL.len()],
    /// Messages that could not be sent.
    pub unsent: u64,
    /// Messages received that cannot be read.
    pub malformed: u64,
    /// Messages received without a copy in the protocol of some clients, which did not get them.
    pub missing_copies: u64,
    /// Commands of other servers to add a client to a group that were refused, because it is in too many or the name is too long.
    pub refused_groups: u64,
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    sent: [AtomicU64; ChannelKind::ALL.len()],
    received: [AtomicU64; ChannelKind::ALL.len()],
    unsent: AtomicU64,
    malformed: AtomicU64,
    missing_copies: AtomicU64,
    refused_groups: AtomicU64,
}

impl Counters {
    pub(super) fn count_sent(&self, kind: ChannelKind, count: u64) {
        self.sent[kind as usize].fetch_add(count, Ordering::Relaxed);
    }

    pub(super) fn count_received(&self, kind: ChannelKind) {
        self.received[kind as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_unsent(&self, count: u64) {
        self.unsent.fetch_add(count, Ordering::Relaxed);
    }

    pub(super) fn count_malformed(&self) {
        self.malformed.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_missing_copy(&self) {
        self.missing_copies.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_refused_group(&self) {
        self.refused_groups.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn read(&self) -> BackplaneCounts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        BackplaneCounts {
            sent: ChannelKind::ALL.map(|kind| read(&self.sent[kind as usize])),
            received: ChannelKind::ALL.map(|kind| read(&self.received[kind as usize])),
            unsent: read(&self.unsent),
            malformed: read(&self.malformed),
            missing_copies: read(&self.missing_copies),
            refused_groups: read(&self.refused_groups),
        }
    }
}
