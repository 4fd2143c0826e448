//! `PUT /admin/api/v1/log`: logs more, or less, for some time.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

use super::call::{Answer, Call, no_content};
use super::operated::Operated;
use crate::configuration::{LOG_FILTER_EXPECTED, LogFilter, parse_duration};
use crate::http_api::problem::{Problem, ProblemCode};
use crate::log;

/// The longest time for which a filter may be changed.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// The body of a request.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    filter: String,
    r#for: String,
}

/// Replaces the filter of the log. It falls back by itself, so that a server is not left with a full log.
pub(super) async fn change(_: Arc<Operated>, call: Call) -> Answer {
    let Request { filter, r#for: time } = call.json().await?;
    let invalid = |detail: String| Problem::new(ProblemCode::InvalidMember, detail);
    let parsed = LogFilter::read(&filter);
    let parsed = parsed.ok_or_else(|| invalid(format!("filter: expected {}", LOG_FILTER_EXPECTED)))?;
    let time = parse_duration(&time).filter(|time| (Duration::from_secs(1)..=LONGEST).contains(time));
    let time = time.ok_or_else(|| invalid("for: expected a time from 1s to 24h, such as \"10m\"".to_owned()))?;
    if !log::change_filter(&parsed, time) {
        return Err(Problem::new(ProblemCode::Unavailable, "the process has no log that can be changed"));
    }
    tracing::info!(filter = parsed.as_str(), seconds = time.as_secs(), "an operator has changed the filter of the log");
    Ok(no_content())
}
