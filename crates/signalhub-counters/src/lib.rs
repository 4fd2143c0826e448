//! Counters and histograms that hot paths can afford.
//!
//! Counting is one relaxed addition to memory that few threads share, without a lock. A reader of a count adds up all parts of it, so
//! reading costs more and happens rarely.

mod bounds;
mod histogram;
mod sharded;

pub use bounds::{CONNECTIONS, LATENCIES, REQUESTS};
pub use histogram::{Histogram, Observed};
pub use sharded::Sharded;
