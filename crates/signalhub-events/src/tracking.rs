//! Whether a publisher learns how far its event has come, and what it learns.

/// Whether a publisher learns how far its event has come to the subscribers that it matched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tracking {
    /// It does not.
    #[default]
    Off,
    /// It gets a [`Tracked`](crate::Tracked).
    On,
}

/// How far an event has come to the subscribers that it matched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DeliveredCounts {
    /// The subscribers to whose clients it was written.
    pub written: usize,
    /// The subscribers whose clients were gone before it was written.
    pub ended: usize,
    /// The subscribers whose clients had not taken it when the time was over.
    pub waiting: usize,
}
