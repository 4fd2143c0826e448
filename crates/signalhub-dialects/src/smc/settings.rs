//! What an operator sets.

use std::time::Duration;

use signalhub_connections::Rate;

use super::accounts::Account;
use super::element::ElementType;
use super::sessions::SessionLimits;
use super::version::Version;

/// How clients send their session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SessionTracking {
    /// A login sets the cookie `JSESSIONID`.
    #[default]
    Cookies,
    /// A login answers with a token in `Authorization`. Clients send it in that header, or beside `access_token` as a subprotocol of the
    /// WebSocket.
    Tokens,
}

/// What an operator sets.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The versions that are served as the first segment of paths. `GET /api` lists those of two numbers.
    pub versions: Vec<Version>,
    /// The types of elements: the entry points, and what contexts may name.
    pub element_types: Vec<ElementType>,
    /// Who may log in.
    pub accounts: Vec<Account>,
    /// How clients send their session.
    pub session_tracking: SessionTracking,
    /// After how much time without a request and without a socket a session ends.
    pub session_idle_time: Duration,
    /// How many sessions there may be.
    pub session_limits: SessionLimits,
    /// How many subscriptions a socket may have.
    pub contexts_per_connection: usize,
    /// How many commands a socket may send; `None` for no limit.
    pub command_rate: Option<Rate>,
    /// How many bytes of bodies of elements are kept.
    pub body_bytes: usize,
    /// The URL in links, without a slash at its end, such as `https://smc.example.com:8082`; by default what the client's `Host` names.
    pub public_url: Option<String>,
}
