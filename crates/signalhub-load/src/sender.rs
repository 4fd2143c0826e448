//! What sends the events: each when it is due, whatever the server takes for those before.

mod invoke;
mod pace;
mod publish;
mod tally;

pub(crate) use self::invoke::invoke;
pub(crate) use self::pace::start_pacing;
pub(crate) use self::publish::{PublishApi, publish};
pub(crate) use self::tally::{Reasons, Sent};
