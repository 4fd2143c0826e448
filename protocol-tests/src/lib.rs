//! A conformance suite for SignalR servers.
//!
//! The recordings of this crate hold what ASP.NET Core SignalR 10.0.12 answered, step by step and byte by byte. A [`Suite`] sends
//! the same to any server and reports where its answers differ. It implements HTTP and WebSockets itself, over TCP or TLS: a
//! library would repair, hide or refuse what has to be compared.
//!
//! The runner deliberately does not interpret messages and has no rules for particular servers: it only compares.
//!
//! ```
//! use protocol_tests::{Address, RunError, Suite};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let suite = Suite::embedded()?.supports(["streams", "long-polling"])?.only("negotiate/")?;
//! let address: Address = "http://127.0.0.1:5100".parse()?;
//! # let address: Address = format!("http://{}", std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?).parse()?;
//! match suite.run(&address).await {
//!     Ok(report) => assert_eq!(report.failed(), 0, "{report}"),
//!     Err(RunError::Unreachable { authority, .. }) => eprintln!("start a server at {authority} first"),
//!     Err(error) => return Err(error.into()),
//! }
//! # Ok(())
//! # }
//! ```

mod address;
mod compare;
mod deviation;
mod differential;
mod drained;
mod http;
mod names;
mod pattern;
pub mod recording;
mod report;
mod scenario;
#[cfg(test)]
mod script;
mod sse;
mod suite;
mod websocket;
mod wire;

pub use address::{Address, AddressError, HubPath, HubPathError};
pub use compare::{Difference, differences};
pub use deviation::{Deviation, Deviations};
pub use differential::{Comparison, Differential, DifferentialError, Differing};
pub use pattern::{Pattern, PatternError};
pub use report::{FamilyReport, Outcome, Problem, Report, Wrong};
pub use signalhub_tls_client::{CaError, TlsProblem};
pub use suite::{NEEDS, RunError, SelectionError, Suite};
