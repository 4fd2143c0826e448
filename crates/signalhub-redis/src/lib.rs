//! A cluster of signalhub nodes on Redis or Valkey.
//!
//! Nodes share through Redis: which nodes there are; the events and their history, on streams; the messages of hubs, over the publish
//! and subscribe channels that ASP.NET Core SignalR uses too; which node owns which connection; which credentials are revoked; which
//! node an organisation of PrintFactory is connected to; and the keys of PrintFactory.

#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod backplane;
pub mod claims;
mod dataset;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
pub mod link;
pub mod log;
pub mod mis_keys;
pub mod nodes;
pub mod organisations;
mod resp;
pub mod revocations;
#[cfg(any(test, feature = "test-server"))]
pub mod test_server;
pub mod watched;
