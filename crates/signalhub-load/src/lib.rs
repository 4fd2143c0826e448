//! A load generator for SignalR servers.
//!
//! [`run()`] opens connections to a hub, sends events on a fixed schedule, and proves what came of them: how many deliveries were lost,
//! doubled, out of order or late, and how long they took. The server needs only to pass a text on, by a hub method or by a publish
//! API; the text identifies the event, so that nothing else of the server has to be known.
//!
//! Times are measured from when an event was due, not from when it could be sent. A server that stalls therefore delays all events that
//! were due meanwhile, as it would with real publishers, and cannot hide it (coordinated omission). Sender and receiver are one process
//! with one clock.
//!
//! It deliberately starts no server and does not depend on ours.

mod connection;
mod course;
mod expectation;
mod http;
mod latencies;
mod payload;
mod plan;
pub mod process;
mod proof;
mod receiver;
mod records;
mod report;
mod run;
mod schedule;
mod sender;
mod this_side;

pub use self::course::{Live, Snapshot, Stage};
pub use self::expectation::{Expectation, ParseExpectationError};
pub use self::payload::SHORTEST_PAYLOAD;
pub use self::plan::{Call, Plan, Source, Transport};
pub use self::report::Report;
pub use self::run::{LoadError, run};
pub use self::schedule::{ParseRateError, Rate};
