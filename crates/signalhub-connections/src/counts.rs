//! What a server counts.

pub(crate) mod client_errors;
pub(crate) mod ends;
pub(crate) mod refusals;
