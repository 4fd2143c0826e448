//! Dialects: plain WebSockets for clients that do not know SignalR.
//!
//! A dialect serves an existing family of clients in their own words, from the same events as the hub:
//! [`printfactory`] for listeners of PrintFactory Cloud, [`smc`] for API clients of Forcepoint SMC.
//!
//! Each dialect has a listener of its own, a [`Server`](signalhub_connections::Server) of connections with the dialect's
//! endpoint and pages. Its connections subscribe at the [`Broker`](signalhub_events::Broker) like those of the hub, so that
//! one publish reaches the clients of all. A dialect declares the events that it sends in the catalogue and checks their
//! payloads when they are published; their organisations decide which connections get them.
//!
//! This crate does not use the hub. The program that runs it makes the listeners, and sets their limits and certificates.

mod client_name;
mod connection_end;
mod dismissed;
mod flushed;
mod offered;
pub mod printfactory;
pub mod smc;
