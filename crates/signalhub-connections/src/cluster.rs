//! What a server needs to be one node of a cluster: its name, the secrets that all nodes share, and which node owns which
//! connection.

pub(crate) mod counts;
pub(crate) mod node;
pub(crate) mod owners;
pub(crate) mod secrets;
