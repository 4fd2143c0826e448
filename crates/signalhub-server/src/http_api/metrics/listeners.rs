//! The listeners of dialects, and the keys of issuers.

use std::fmt;

use signalhub::CloseReason;
use signalhub::connections::{ClientError, ConnectionCounts};

use super::page::Page;
use crate::http_api::counts::Refusals;

/// The connections of each dialect.
pub(super) fn dialects(page: &mut Page<'_>, dialects: &[(&'static str, ConnectionCounts)]) -> fmt::Result {
    let (name, help) = ("signalhub_dialect_connections_active", "Live connections of dialects, by dialect");
    page.gauges(name, help, ["dialect"], dialects.iter().map(|(dialect, counts)| ([*dialect], counts.active())))?;
    let help = "Live connections of dialects that ended, by dialect and reason";
    let ended = dialects.iter().flat_map(|(dialect, counts)| {
        CloseReason::ALL.map(|reason| ([*dialect, reason.label()], counts.ended(reason)))
    });
    page.counters("signalhub_dialect_connections_ended", help, ["dialect", "reason"], ended)?;
    let refused = dialects.iter().flat_map(|(dialect, counts)| {
        Refusals::of_listener(counts).named().map(|(limit, count)| ([*dialect, limit], count))
    });
    let help = "What dialects refused, by dialect and limit";
    page.counters("signalhub_dialect_refusals", help, ["dialect", "limit"], refused)?;
    let errors = dialects.iter().flat_map(|(dialect, counts)| {
        ClientError::ALL.map(|error| ([*dialect, error.label()], counts.client_errors(error)))
    });
    let help = "What clients of dialects did wrong, by dialect and reason";
    page.counters("signalhub_dialect_client_errors", help, ["dialect", "reason"], errors)
}

/// How many keys each issuer has.
pub(super) fn issuer_keys(page: &mut Page<'_>, counts: impl Iterator<Item = usize>) -> fmt::Result {
    let counts: Vec<(String, usize)> = counts.enumerate().map(|(index, count)| (index.to_string(), count)).collect();
    if counts.is_empty() {
        return Ok(());
    }
    let help = "Keys that tokens are verified with, by the number of their issuer in auth.issuers";
    let values = counts.iter().map(|(index, count)| ([index.as_str()], *count));
    page.gauges("signalhub_auth_keys", help, ["issuer"], values)
}
