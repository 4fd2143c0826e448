//! The programs of this package, and other programs against the conformance server.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod command_line;
mod load;
