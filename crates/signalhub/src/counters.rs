//! What a hub counts: the calls that it answered with errors, and those that it refused.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

/// Defines the errors, their labels and the list of all of them.
macro_rules! call_errors {
    ($( $(#[doc = $doc:literal])+ $variant:ident = $label:literal, )+) => {
        /// Why a call of a client was answered with an error, beyond the limits that [`RefusedCalls`](crate::RefusedCalls) counts.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum CallError {
            $( $(#[doc = $doc])+ $variant, )+
        }

        impl CallError {
            /// All of them.
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
    /// There is no such method.
    UnknownMethod = "unknown_method",
    /// The arguments are not those of the method.
    WrongArguments = "wrong_arguments",
    /// The policy of the method does not admit the user.
    UnauthorizedCall = "unauthorized_call",
    /// A method that streams was called without a stream, or one that does not with one.
    WrongCallKind = "wrong_call_kind",
    /// The method takes another number of streams.
    WrongStreams = "wrong_streams",
    /// The id belongs to a call that still runs.
    IdInUse = "id_in_use",
    /// The method refused the call, with a text for its client.
    CallRefused = "call_refused",
    /// The method failed, or panicked.
    CallFailed = "call_failed",
}

/// The running count of them.
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
    /// Logs it, within the span of the connection; `detail` is what its client reads with detailed errors.
    pub(crate) fn log(self, method: &str, detail: impl fmt::Display) {
        tracing::debug!(reason = self.label(), method, %detail, "a call was answered with an error");
    }
}

/// How many calls a hub has refused since it was built, because a client went over a limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RefusedCalls {
    /// Calls above the rate.
    pub invocations: u64,
    /// Calls that would have opened more streams than a client may have.
    pub streams: u64,
    /// Calls of `Subscribe` that would have exceeded what a connection may subscribe to.
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
