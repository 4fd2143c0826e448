use portos_notifications::{Action, Credentials, Notifier, ResourceChanged};

pub async fn publish(url: &str, api_key: &str) -> Result<u64, Box<dyn std::error::Error>> {
    let notifier = Notifier::http(url, Credentials::ApiKey(api_key))?;
    let changed = ResourceChanged::new("tickets", Action::Created, "573f4511088c772684a738f8", 7);
    let receipt = notifier.notify(&changed).await?;
    Ok(receipt.matched)
}
