//! `GET /admin/api/v1/subscriptions`: what is subscribed to most.

use std::sync::Arc;

use serde::Serialize;
use signalhub::events::{CountedBy, ResourceName, SubscriptionCount};

use super::call::{Answer, Call};
use super::operated::Operated;
use super::parameters::{Given, invalid};
use crate::http_api::response::json_response;

/// How many counts a list has, if the request does not say, and at most.
pub(super) const DEFAULT_LIMIT: usize = 50;
pub(super) const MOST: usize = 1_000;

#[derive(Serialize)]
struct List<'a> {
    value: Vec<Count<'a>>,
}

#[derive(Serialize)]
struct Count<'a> {
    event: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<&'a str>,
    subscriptions: u64,
    matched_60s: u64,
}

impl<'a> Count<'a> {
    fn of(count: &'a SubscriptionCount) -> Self {
        Self {
            event: count.event.as_str(),
            resource: count.resource.as_ref().map(ResourceName::as_str),
            subscriptions: count.subscriptions,
            matched_60s: count.matched_last_minute,
        }
    }
}

/// Lists the events, or the resources of events, with the most subscriptions. A resource that is missing stands for any.
pub(super) async fn list(operated: Arc<Operated>, call: Call) -> Answer {
    let given = Given::read(&call, &["by", "limit"])?;
    let by = match given.value("by")? {
        None | Some("event") => CountedBy::Event,
        Some("resource") => CountedBy::Resource,
        Some(_) => return Err(invalid("by: expected event or resource")),
    };
    let limit = given.limit(DEFAULT_LIMIT, MOST)?;
    let _permit = operated.state.limits.permit_list()?;
    let counts = operated.broker.largest_subscription_counts(by, limit).await;
    Ok(json_response(&List { value: counts.iter().map(Count::of).collect() }))
}
