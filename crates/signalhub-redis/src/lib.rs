//! A cluster of signalhub nodes on Redis or Valkey.
//!
//! Nodes share four things through Redis, and nothing else: the events and their history, on streams; the messages of hubs, over the
//! publish and subscribe channels that ASP.NET Core SignalR uses too; which node owns which connection; and which credentials are
//! revoked.

#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod backplane;
pub mod claims;
pub mod link;
pub mod log;
pub mod nodes;
pub mod revocations;
#[cfg(any(test, feature = "test-server"))]
pub mod test_server;
