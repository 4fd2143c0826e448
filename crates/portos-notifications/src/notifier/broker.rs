//! The road within the process.

use bytes::Bytes;
use signalhub_events::{Broker, Event};

use super::{NotifyError, Receipt};
use crate::{Action, CanonicalPayload, PublishBody};

/// Publishes a body.
pub(super) async fn publish(broker: &Broker, body: PublishBody) -> Result<Receipt, NotifyError> {
    let receipt = broker.publish(event(body)?).await?;
    let (id, position) = (receipt.id.to_string(), receipt.position.to_string());
    Ok(Receipt { id, position, matched: receipt.matched as u64, duplicate: false })
}

fn event(body: PublishBody) -> Result<Event, NotifyError> {
    let mut event = Event::new(body.event.as_str().into(), Bytes::copy_from_slice(body.payload.get().as_bytes()));
    if let Some(canonical) = CanonicalPayload::check(&body.event, &body.payload)? {
        event.resource = canonical.resource.map(Into::into);
        event.action = canonical.action.map(action);
    }
    event.organisation = body.organisation.map(Into::into);
    event.expires = body.expires;
    Ok(event)
}

fn action(action: Action) -> signalhub_events::Action {
    match action {
        Action::Created => signalhub_events::Action::Created,
        Action::Updated => signalhub_events::Action::Updated,
        Action::Deleted => signalhub_events::Action::Deleted,
    }
}
