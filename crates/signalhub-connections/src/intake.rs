//! `Intake`: whether bytes of the client are read.

/// Whether [`Connection::receive`](crate::Connection::receive) may read more from the transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intake {
    /// Bytes are read as they arrive.
    Open,
    /// Bytes are left in the transport, so that the client gets back pressure. Messages that unblock the server, such as
    /// the acknowledgement of a frame, are not read either.
    Paused,
}
