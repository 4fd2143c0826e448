//! Limits that hold for every protocol.

/// Nested arrays and objects that are accepted, the outermost one included.
pub(crate) const MAX_DEPTH: u32 = 64;

/// How many headers a message that is read may have.
pub(crate) const MAX_HEADERS: usize = 100;
