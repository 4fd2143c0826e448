//! What a client subscribes to, and what it unsubscribes from.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Holds the argument of `Subscribe` and `Unsubscribe` (Portos, SubscriptionRequest).
///
/// A missing member is not an error of parsing: the hub reports it, with an error that names the member.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(expecting = "an object")]
pub struct SubscriptionRequest {
    /// The event name, which is required.
    #[serde(rename = "e")]
    pub event: Option<String>,
    /// The resources; `None` or an empty list are all.
    #[serde(rename = "r", skip_serializing_if = "Option::is_none")]
    pub resources: Option<Vec<SubscriptionRequestResource>>,
    /// From where on the events are wanted. `None`, without the member: from now on, and the answer does not tell the position.
    /// `Unsubscribe` ignores it.
    #[serde(rename = "since", default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub since: Option<RequestedSince>,
}

/// The member `since` of a request: from where on events are wanted, with the position as the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestedSince {
    /// `null`: from now on.
    Now,
    /// A position, or `earliest`, as the client wrote it.
    Text(String),
}

/// Reads a member that is there, also if it is null.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<RequestedSince>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    Ok(Some(text.map_or(RequestedSince::Now, RequestedSince::Text)))
}

impl Serialize for RequestedSince {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Now => serializer.serialize_none(),
            Self::Text(text) => serializer.serialize_str(text),
        }
    }
}

/// Names one resource of a request (Portos, SubscriptionRequestResource).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(expecting = "an object")]
pub struct SubscriptionRequestResource {
    /// The name of the resource, which is required.
    #[serde(rename = "n")]
    pub name: Option<String>,
    /// The words of the actions; `None` or an empty list are all.
    #[serde(rename = "a", skip_serializing_if = "Option::is_none")]
    pub actions: Option<Vec<String>>,
}

impl SubscriptionRequest {
    /// Asks for all events of this name.
    #[must_use]
    pub fn new(event: impl Into<String>) -> Self {
        Self { event: Some(event.into()), resources: None, since: None }
    }

    /// Asks for the events behind a position, or for all that are kept with `earliest`; `None`: from now on, with the position as the
    /// answer.
    #[must_use]
    pub fn with_since(self, since: Option<String>) -> Self {
        Self { since: Some(since.map_or(RequestedSince::Now, RequestedSince::Text)), ..self }
    }

    /// Asks for one resource only, or for one more of them; without actions, for all of its actions.
    #[must_use]
    pub fn with_resource(
        mut self,
        name: impl Into<String>,
        actions: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        let actions: Vec<String> = actions.into_iter().map(Into::into).collect();
        let actions = if actions.is_empty() { None } else { Some(actions) };
        let resource = SubscriptionRequestResource { name: Some(name.into()), actions };
        self.resources.get_or_insert_default().push(resource);
        self
    }
}

#[cfg(test)]
mod tests;
