//! Runs against servers that do what they should not.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod cheating_hub;
mod delivery;
mod endings;
