//! The commands, one a module.

pub(crate) mod admin_client;
pub(crate) mod bench;
pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod connections;
pub(crate) mod credentials;
pub(crate) mod error;
pub(crate) mod explain;
pub(crate) mod health;
pub(crate) mod history;
pub(crate) mod https_client;
pub(crate) mod key;
pub(crate) mod listen;
pub(crate) mod manual;
pub(crate) mod miskey;
pub(crate) mod publish;
pub(crate) mod serve;
pub(crate) mod server_trust;
pub(crate) mod sources;
pub(crate) mod token;
pub(crate) mod top;
