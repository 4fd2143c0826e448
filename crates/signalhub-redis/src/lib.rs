//! A cluster of signalhub nodes on Redis or Valkey.
//!
//! Nodes share three things through Redis, and nothing else: the events and their history, on streams; the messages of hubs, over the
//! publish and subscribe channels that ASP.NET Core SignalR uses too; and which node owns which connection.

pub mod backplane;
pub mod claims;
pub mod link;
pub mod log;
pub mod nodes;
#[cfg(any(test, feature = "test-server"))]
pub mod test_server;
