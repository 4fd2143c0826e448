//! Reads the heads of requests.

pub(crate) mod base_url;
pub(crate) mod content_coding;
pub(crate) mod forwarded;
pub(crate) mod hosts;
pub(crate) mod opening_request;
pub(crate) mod path;
pub(crate) mod query;
pub(crate) mod remote_address;
pub(crate) mod request_id;
