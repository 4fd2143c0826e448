//! TLS of clients: which servers they trust, and why a server is refused.
//!
//! The one place where this workspace configures TLS for connections that it opens. A [`TlsClient`] trusts the certificate
//! authorities of the system, or those of a file alone. A [`TlsProblem`] says in the words of a user why a handshake failed.
//!
//! ```no_run
//! use signalhub_tls_client::{TlsClient, TlsProblem};
//!
//! # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let tls = TlsClient::with_ca(&std::fs::read("ca.pem")?)?;
//! let socket = tokio::net::TcpStream::connect("hub.internal:443").await?;
//! match tls.connect("hub.internal", socket).await {
//!     Ok(_stream) => {}
//!     Err(error) => match TlsProblem::of(&error) {
//!         Some(problem) => eprintln!("{problem}"),
//!         None => eprintln!("{error}"),
//!     },
//! }
//! # Ok(())
//! # }
//! ```

mod client;
mod problem;
mod verifier;

pub use client::{CaError, TlsClient};
pub use problem::TlsProblem;
