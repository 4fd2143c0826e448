//! Publishes to a broker in the same process.

use signalhub_events::{Broker, PublishError};

use super::NotifyError;
use crate::broker::{self, EventError};
use crate::publish_body::PublishBody;
use crate::receipt::Receipt;

/// Publishes a body.
pub(super) async fn publish(broker: &Broker, body: PublishBody) -> Result<Receipt, NotifyError> {
    let event = broker::event(body, broker).map_err(|error| match error {
        EventError::Catalogue(error) => NotifyError::Broker(PublishError::Catalogue(error)),
        EventError::Name { error, .. } => NotifyError::Broker(PublishError::Name(error)),
        EventError::Payload(error) => NotifyError::Payload(error),
    })?;
    Ok(broker::receipt(&broker.publish(event).await?))
}
