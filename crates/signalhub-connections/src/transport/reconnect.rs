//! Whether a connection survives the loss of its transport.

/// What was negotiated for a client that loses its transport.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reconnect {
    /// The connection ends with it.
    #[default]
    Plain,
    /// The connection waits for the client to reconnect, and continues (`useStatefulReconnect`).
    Stateful,
}
