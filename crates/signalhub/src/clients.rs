//! The connected clients of a hub, and how they are addressed.

pub(crate) mod client;
pub(crate) mod connected;
pub(crate) mod groups;
pub(crate) mod items;
pub(crate) mod membership;
pub(crate) mod results;
pub(crate) mod slots;
pub(crate) mod targets;
