//! The argument of `Subscribe` and `Unsubscribe`.

use serde::Deserialize;
use signalhub_events::{Action, EventName, Filter, ResourceName};

use crate::error::HubError;

/// What a client wants to hear of (Portos, SubscriptionRequest). Names of properties are matched regardless of case.
#[derive(Debug, Deserialize)]
#[serde(expecting = "an object")]
pub(crate) struct SubscriptionRequest {
    /// The event. It is required, but its absence is answered in words and not as a binding failure.
    e: Option<String>,
    /// The resources; none or an empty list are all.
    r: Option<Vec<RequestedResource>>,
}

/// One resource of a request (Portos, SubscriptionRequestResource).
#[derive(Debug, Deserialize)]
#[serde(expecting = "an object")]
struct RequestedResource {
    /// Its name.
    n: Option<String>,
    /// The actions; none or an empty list are all.
    a: Option<Vec<String>>,
}

impl SubscriptionRequest {
    /// The entries that it stands for.
    pub(crate) fn filters(self) -> Result<Vec<Filter>, HubError> {
        let event = self.e.filter(|name| !name.is_empty()).ok_or_else(|| {
            HubError::new("\"e\" is missing: expected the name of an event, as \"portos.resources.changed\"")
        })?;
        let event = Filter::new(event.parse::<EventName>().map_err(|error| HubError::new(format!("\"e\": {error}")))?);
        let resources = self.r.unwrap_or_default();
        if resources.is_empty() {
            return Ok(vec![event]);
        }
        let mut filters = Vec::with_capacity(resources.len());
        for resource in resources {
            let name = resource
                .n
                .filter(|name| !name.is_empty())
                .ok_or_else(|| HubError::new("\"n\" is missing: expected the name of a resource, as \"tickets\""))?;
            let name: ResourceName = name.parse().map_err(|error| HubError::new(format!("\"n\": {error}")))?;
            let filter = event.clone().with_resource(name);
            let actions = resource.a.unwrap_or_default();
            if actions.is_empty() {
                filters.push(filter);
                continue;
            }
            for action in actions {
                let action: Action = action.parse().map_err(super::refused)?;
                filters.push(filter.clone().with_action(action));
            }
        }
        Ok(filters)
    }
}
