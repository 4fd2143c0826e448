//! Hubs as their clients see them, most of them without a network and with paused time.
//!
//! One program for all, since linking each file on its own took longer than running it. A new file is listed here.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "../support/bus.rs"]
mod bus;
#[path = "../support/log.rs"]
mod log;
#[path = "../support/seed.rs"]
mod seed;
#[path = "../support/sequence.rs"]
mod sequence;
#[path = "../support/mod.rs"]
mod support;

mod addressing;
mod both_directions;
mod both_protocols;
mod calls;
mod client_results;
mod cluster;
mod delivery;
mod examples;
mod extractors;
mod filters;
mod handshakes;
mod lifecycle;
mod panics;
mod pipelining;
mod requests;
mod sequences;
mod stateful;
mod streaming;
mod uploads;
mod wrong_arguments;
