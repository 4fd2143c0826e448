//! One file for each gate.

pub(crate) mod bench;
pub(crate) mod cargo_tests;
pub(crate) mod clippy;
pub(crate) mod conformance;
mod conformance_server;
pub(crate) mod deny;
pub(crate) mod differential;
pub(crate) mod dist;
pub(crate) mod docs;
pub(crate) mod features;
pub(crate) mod fmt;
pub(crate) mod fuzz;
pub(crate) mod java;
pub(crate) mod js;
pub(crate) mod python;
pub(crate) mod tidy;
