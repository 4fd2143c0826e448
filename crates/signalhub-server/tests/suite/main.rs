//! Nodes in this process, and the binary as a process, as clients, publishers and operators see them.
//!
//! One program for all, since linking each file on its own took longer than running it. A new file is listed here.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "../common/mod.rs"]
mod common;

mod access_log;
mod admin;
mod admin_connections;
mod admin_description;
mod admin_events;
mod admin_lists;
mod api_clients;
mod bad_inputs;
mod batches;
#[cfg(unix)]
mod bench;
mod bursts;
mod client_certificates;
mod client_errors;
mod close_frames;
mod cluster;
mod cluster_leaks;
mod cluster_metrics;
mod cluster_operators;
mod cluster_shared;
mod cluster_user;
mod commands;
mod definition;
mod descriptors;
mod dialects;
mod docs;
mod end_to_end;
mod explain;
mod fetched_keys;
mod guesses;
mod hangups;
mod health;
mod history_api;
mod hosts;
mod http_api_page;
mod idempotency;
mod issuers;
mod lifecycle;
mod limits;
mod log;
mod metrics;
mod printfactory;
mod program;
mod publish_api;
mod publishers;
mod refresh;
mod smc;
mod tickets;
mod tls;
mod tokens;
mod top;
mod traces;
mod tutorials;
