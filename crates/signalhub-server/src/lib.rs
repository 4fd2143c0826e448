//! The parts of the `signalhub` binary: its configuration, its node and its command line.
//!
//! A [`Node`] is the hub and the publish API on the public listener, with a broker between them, and the health pages on
//! an internal one. It knows the crates of the hub; no other crate knows it. This library exists for the binary and its
//! tests: programs that embed a hub use the `signalhub` crate.
//!
//! ```
//! use signalhub_server::{Configuration, Node};
//!
//! # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut configuration = Configuration::default();
//! configuration.read_toml(
//!     "signalhub.toml",
//!     r#"
//!     [listen]
//!     public = "127.0.0.1:0"
//!     internal = ""
//!     [auth]
//!     secret = "at least thirty-two bytes of secret"
//!     "#,
//! )?;
//! let node = Node::bind(&configuration).await?;
//! assert_ne!(node.address().port(), 0);
//! node.run_until(async {}).await?;
//! # Ok(())
//! # }
//! ```

#![cfg_attr(docsrs, feature(doc_cfg))]

mod cluster;
mod command_line;
mod commands;
pub mod configuration;
mod development;
#[cfg(test)]
mod documents;
mod file_content;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
mod grant;
mod http_api;
mod issuer_keys;
mod key_expiry;
mod key_fetch;
mod lifecycle;
mod listener_tls;
mod log;
mod node;
mod progress;
mod reachable_at;
mod reload;
mod shutdown;
mod token;
mod token_verifier;
mod traces;

pub use command_line::run;
pub use configuration::{Configuration, ConfigurationError};
pub use development::{Development, DevelopmentError};
pub use grant::parse_grant;
pub use http_api::counts::{Counts, PublishRefusals, Refusals};
pub use lifecycle::ReloadRequest;
pub use listener_tls::ListenerTlsError;
pub use node::{HUB_PATH, HistoryError, Node, StartError};
pub use reachable_at::{ReachableAt, ServerTrust};
pub use token::{SignError, TokenContent, sign};
pub use token_verifier::IssuerKeyError;
pub use traces::TracesError;
