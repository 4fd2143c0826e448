//! Hub methods, their parameters, and how a call reaches one.

pub(crate) mod binding;
pub(crate) mod call;
pub(crate) mod caller;
pub(crate) mod extract;
pub(crate) mod handler;
pub(crate) mod hub_filter;
pub(crate) mod method;
pub(crate) mod parameter;
pub(crate) mod upload;
