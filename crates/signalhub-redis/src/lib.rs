//! A cluster of signalhub nodes on Redis or Valkey.
//!
//! Nodes share five things through Redis, and nothing else: the events and their history, on streams; the messages of hubs, over the
//! publish and subscribe channels that ASP.NET Core SignalR uses too; which node owns which connection; which credentials are
//! revoked; and which node an organisation of PrintFactory is connected to.

#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod backplane;
pub mod claims;
pub mod link;
pub mod log;
pub mod nodes;
pub mod organisations;
pub mod revocations;
#[cfg(any(test, feature = "test-server"))]
pub mod test_server;
