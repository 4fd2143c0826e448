//! Whether a connection survives the loss of its transport.

use std::sync::Arc;

use crate::transport::handover::Handover;
use crate::transport::reconnect::Reconnect;

/// Whether another transport may follow the one that is lost.
pub(super) enum Resume {
    /// No: it was not negotiated, or the handler has disabled it.
    Disabled,
    /// No, although it was negotiated: event streams and polls end with their transport.
    Unsupported,
    /// Yes: it arrives here.
    Through(Arc<Handover>),
}

impl Resume {
    pub(super) fn new(reconnect: Reconnect, handover: Option<Arc<Handover>>) -> Self {
        match (reconnect, handover) {
            (Reconnect::Plain, _) => Self::Disabled,
            (Reconnect::Stateful, None) => Self::Unsupported,
            (Reconnect::Stateful, Some(handover)) => Self::Through(handover),
        }
    }

    /// What the client was granted.
    pub(super) fn reconnect(&self) -> Reconnect {
        match self {
            Self::Disabled => Reconnect::Plain,
            Self::Unsupported | Self::Through(_) => Reconnect::Stateful,
        }
    }

    pub(super) fn handover(&self) -> Option<&Arc<Handover>> {
        match self {
            Self::Disabled | Self::Unsupported => None,
            Self::Through(handover) => Some(handover),
        }
    }
}
