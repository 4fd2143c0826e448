//! A small SignalR client over WebSockets.
//!
//! [`Client::connect`] goes straight to the WebSocket (what the official clients call `skipNegotiation`) and speaks the JSON
//! protocol. [`Client::invoke`] and [`Client::send`] call methods of the hub; [`Client::next_invocation`] returns
//! calls that the hub makes. A task of its own sends pings and detects a lost connection.
//!
//! Hubs at `https://` and `wss://` URLs must have a certificate that the system trusts; [`ConnectOptions::with_ca`] names other
//! certificate authorities.
//!
//! It deliberately has no other transport, no streams and no automatic reconnect, and does not know events and
//! notifications.
//!
//! ```no_run
//! use signalhub_client::Client;
//!
//! # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::connect("http://127.0.0.1:3000/chat", Some("a token")).await?;
//! let sum: i32 = client.invoke("Add", (2, 3)).await?;
//! client.send("Say", (format!("it is {sum}"),)).await?;
//! let invocation = client.next_invocation().await?;
//! if invocation.target == "Said" {
//!     let (who, what): (String, String) = invocation.bind()?;
//!     println!("{who}: {what}");
//! }
//! client.close().await;
//! # Ok(())
//! # }
//! ```

mod client;
mod connect;
mod connect_options;
mod connection;
mod server_invocation;

pub use client::{Client, InvokeError, SendError};
pub use connect::ConnectError;
pub use connect_options::ConnectOptions;
pub use connection::Disconnected;
pub use server_invocation::ServerInvocation;
pub use signalhub_protocol::{BindError, EncodeError};
pub use signalhub_tls_client::{CaError, TlsProblem};
