//! What is sent to a client: a queue bounded in bytes, whose senders never wait for the client.

mod backlog;
mod flushes;
mod handle;
mod limits;
mod locked_queue;
mod purpose;
mod queue;
mod readers;
mod retained;
mod send_queue;
pub(crate) mod signals;
mod writer;

pub(crate) use self::backlog::Backlog;
pub use self::backlog::BacklogUsage;
pub use self::flushes::Flushed;
pub use self::handle::Outbound;
pub(crate) use self::limits::QueueLimits;
pub use self::purpose::Sent;
pub use self::readers::Readers;
pub use self::send_queue::ConnectionEnded;
pub(crate) use self::send_queue::{LastWrite, SendQueue};
pub(crate) use self::writer::Writer;

#[cfg(test)]
mod tests;
