//! `POST /admin/api/v1/publish`: publishes as the system.

use std::sync::Arc;

use super::call::{Answer, Call};
use super::operated::Operated;

/// Takes the body of the publish API, and answers as that does. The sender is the system, also if the body names one.
pub(super) async fn publish(operated: Arc<Operated>, call: Call) -> Answer {
    operated.publish.publish_as_system(&call.head, call.body).await
}
