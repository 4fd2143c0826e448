//! Counters of a hub: calls that were answered with errors, calls that were refused, and replays.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use signalhub_events::GapReason;

/// Defines the errors, their labels and the list of all of them.
macro_rules! call_errors {
    ($( $(#[doc = $doc:literal])+ $variant:ident = $label:literal, )+) => {
        /// Why a call of a client was answered with an error. Calls above a limit are counted by
        /// [`RefusedCalls`](crate::RefusedCalls) instead.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum CallError {
            $( $(#[doc = $doc])+ $variant, )+
        }

        impl CallError {
            /// All variants.
            pub const ALL: [Self; [$($label),+].len()] = [$( Self::$variant, )+];

            /// A short name for metrics and logs.
            pub fn label(self) -> &'static str {
                match self {
                    $( Self::$variant => $label, )+
                }
            }
        }
    };
}

call_errors! {
    /// The hub has no method of this name.
    UnknownMethod = "unknown_method",
    /// The arguments cannot be bound to the parameters of the method.
    WrongArguments = "wrong_arguments",
    /// The policy of the method does not admit the user.
    UnauthorizedCall = "unauthorized_call",
    /// A streaming method was called with an Invocation, or another method with a StreamInvocation.
    WrongCallKind = "wrong_call_kind",
    /// The number of streams that the client announced differs from that of the method.
    WrongStreams = "wrong_streams",
    /// A running stream has the same invocation id.
    IdInUse = "id_in_use",
    /// The method failed with [`HubError::new`](crate::HubError::new), whose text the client gets.
    CallRefused = "call_refused",
    /// The method failed with another error, or panicked.
    CallFailed = "call_failed",
}

/// How many calls were answered with each error.
#[derive(Debug, Default)]
pub(crate) struct CallErrorCounts([AtomicU64; CallError::ALL.len()]);

impl CallErrorCounts {
    pub(crate) fn count(&self, error: CallError) {
        self.0[error as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn of(&self, error: CallError) -> u64 {
        self.0[error as usize].load(Ordering::Relaxed)
    }
}

impl CallError {
    /// Logs the error. The caller is inside the span of the connection; `detail` is what the client gets with detailed errors.
    pub(crate) fn log(self, method: &str, detail: impl fmt::Display) {
        tracing::debug!(reason = self.label(), method, %detail, "a call was answered with an error");
    }
}

/// How many calls a hub has refused because of limits, since it was built.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RefusedCalls {
    /// Calls above [`HubOptions::invocation_rate`](crate::HubOptions::invocation_rate).
    pub invocations: u64,
    /// Calls that would have exceeded
    /// [`HubOptions::maximum_streams_per_client`](crate::HubOptions::maximum_streams_per_client).
    pub streams: u64,
    /// Calls of `Subscribe` that would have exceeded a limit on the subscriptions of a connection.
    pub subscriptions: u64,
}

#[derive(Debug, Default)]
pub(crate) struct RefusedCallCounts {
    pub(crate) invocations: AtomicU64,
    pub(crate) streams: AtomicU64,
    pub(crate) subscriptions: AtomicU64,
}

impl RefusedCallCounts {
    pub(crate) fn read(&self) -> RefusedCalls {
        RefusedCalls {
            invocations: self.invocations.load(Ordering::Relaxed),
            streams: self.streams.load(Ordering::Relaxed),
            subscriptions: self.subscriptions.load(Ordering::Relaxed),
        }
    }
}

/// How many calls of `Subscribe` with `since` a hub has answered, since it was built.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Replays {
    /// The client got everything that it had missed.
    pub complete: u64,
    /// The client was told that events are missing.
    pub gap: u64,
    /// The call was answered with an error.
    pub refused: u64,
    /// The connection ended first.
    pub ended: u64,
    /// The events that were sent by replays.
    pub events: u64,
    /// The gaps by their reason, in the order of [`GapReason::ALL`].
    pub gaps: [u64; GapReason::ALL.len()],
}

#[derive(Debug, Default)]
pub(crate) struct ReplayCounts(Mutex<Replays>);

impl ReplayCounts {
    pub(crate) fn count(&self, count: impl FnOnce(&mut Replays)) {
        count(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    pub(crate) fn read(&self) -> Replays {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_error_has_a_count_and_a_label_of_its_own() {
        let counts = CallErrorCounts::default();
        for (index, error) in CallError::ALL.into_iter().enumerate() {
            counts.count(error);
            assert_eq!(counts.of(error), 1, "{error:?}");
            assert_eq!(CallError::ALL.map(|error| counts.of(error)).iter().sum::<u64>(), 1 + index as u64);
            let namesakes = CallError::ALL.iter().filter(|other| other.label() == error.label());
            assert_eq!(namesakes.count(), 1, "{error:?}");
        }
    }
}
