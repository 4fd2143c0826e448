//! Hub methods, and how a call becomes a run of one.

pub(crate) mod extract;
pub(crate) mod handler;
pub(crate) mod method;
pub(crate) mod upload;
