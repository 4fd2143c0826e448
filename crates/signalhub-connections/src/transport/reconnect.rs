//! Whether a connection outlives its transport.

/// What a negotiation says about a client that loses its transport.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reconnect {
    /// The connection ends with it.
    #[default]
    Plain,
    /// The connection waits for the client to come back, and then goes on (`useStatefulReconnect`).
    Stateful,
}
