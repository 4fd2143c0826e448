use portos_notifications::{
    Action, IdempotencyKey, NotificationEvent, Notifier, PublishOptions, Receipt, ResourceChanged,
};

/// May be called again for the same order, also after a restart: the hub publishes the event once.
pub async fn publish_once(notifier: &Notifier, order: &str) -> Result<Receipt, Box<dyn std::error::Error>> {
    let changed = ResourceChanged::new("orders", Action::Created, order, 1);
    let key = IdempotencyKey::new(format!("order-{order}-created"))?;
    let options = PublishOptions::new().with_idempotency_key(key);
    Ok(notifier.publish_with(changed.publish_body()?, &options).await?)
}
