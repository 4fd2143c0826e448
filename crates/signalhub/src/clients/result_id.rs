//! The ids of calls that clients answer (HubProtocol, client results).

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

/// The invocation id of a call that the server makes and the client answers.
///
/// Ids are unique within the process. On the wire they begin with `s`, so that they differ from the ids that clients choose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ResultId(u64);

impl ResultId {
    pub(super) fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }

    pub(super) fn parse(id: &str) -> Option<Self> {
        id.strip_prefix('s')?.parse().ok().map(Self)
    }
}

impl fmt::Display for ResultId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s{}", self.0)
    }
}
