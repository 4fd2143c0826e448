//! `GET /admin/api/v1/config`: the configuration that is used, without its secrets.

use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;

use super::call::{Answer, Call};
use super::operated::Operated;
use crate::configuration::effective;
use crate::http_api::response::json_response;

#[derive(Serialize)]
struct Page {
    value: Vec<Entry>,
}

#[derive(Serialize)]
struct Entry {
    key: String,
    /// As in the file; null if there is none.
    value: Value,
    source: String,
}

/// Lists all keys with their values and their sources.
pub(super) async fn show(operated: Arc<Operated>, _: Call) -> Answer {
    let entry = |(key, value, source)| Entry { key, value, source };
    Ok(json_response(&Page { value: effective(&operated.configuration).into_iter().map(entry).collect() }))
}
