//! Panics of the application's code that a session runs outside a method: a `Deserialize`, a policy.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs the application's code; `None` if it panicked. The panic hook has written the panic's own message by then.
pub(crate) fn catch<T>(code: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(code)).ok()
}
