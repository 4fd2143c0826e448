//! The connected clients of a hub, and how they are addressed.

pub(crate) mod call_slots;
pub(crate) mod client;
pub(crate) mod connected;
pub(crate) mod errors;
pub(crate) mod groups;
mod items;
pub(crate) mod membership;
pub(crate) mod remote;
mod result_id;
pub(crate) mod results;
pub(crate) mod subscribed;
pub(crate) mod targets;
