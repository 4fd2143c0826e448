//! Counters: traffic, lives, negotiations, ended connections, refusals and errors of clients.

pub(crate) mod client_errors;
pub(crate) mod ends;
pub(crate) mod lives;
pub(crate) mod negotiations;
pub(crate) mod refusals;
pub(crate) mod traffic;
