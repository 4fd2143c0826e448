//! HTTP: the server, its endpoints, and how requests are answered.

pub(crate) mod access_rules;
pub(crate) mod added_headers;
pub(crate) mod answers;
pub(crate) mod body;
pub(crate) mod dispatch;
pub(crate) mod endpoint;
pub(crate) mod forwarding;
pub(crate) mod mounted;
pub(crate) mod negotiate;
pub(crate) mod node_requests;
pub(crate) mod origins;
pub(crate) mod page;
pub(crate) mod panics;
pub(crate) mod refusals;
pub(crate) mod request_body;
pub(crate) mod request_timeouts;
pub(crate) mod server;
pub(crate) mod tickets;
#[cfg(feature = "tower")]
pub(crate) mod tower;
