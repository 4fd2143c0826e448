//! What a server needs to be one node of a cluster: its name, the secrets that all nodes share, which node owns which
//! connection, and how a request is forwarded to the owner.

pub(crate) mod claim;
pub(crate) mod client;
pub(crate) mod counts;
pub(crate) mod forward_header;
pub(crate) mod node;
mod owner_cache;
pub(crate) mod owners;
pub(crate) mod sealed_ticket;
pub(crate) mod secrets;
mod seen_headers;
pub(crate) mod shared_ticket;
pub(crate) mod this_node;
pub(crate) mod token;
mod used_tokens;
