//! The programs of the bench, run as people run them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod million;
