//! Whether what the client sends is read.

/// Whether [`Connection::receive`](crate::Connection::receive) may read more from the transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intake {
    /// Read what arrives.
    Open,
    /// Leave it in the transport, so that the client gets back pressure. What could only arrive that way, such as the
    /// acknowledgement of a frame, does not arrive meanwhile.
    Paused,
}
