//! What the server has answered at one moment, and what has happened since the answer before.

use std::collections::HashMap;
use std::time::Duration;

use time::OffsetDateTime;
use tokio::time::Instant;

use super::answers::{Connection, Overview, Page};

/// The state of a node and its first connections at one moment.
#[derive(Debug)]
pub(super) struct Sample {
    pub(super) overview: Overview,
    pub(super) rows: Vec<Row>,
    /// Whether the server has more connections of this selection.
    pub(super) rest: Rest,
    taken: Instant,
}

/// Whether a page is the last one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rest {
    Nothing,
    More,
}

/// One line of the table.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) connection: Connection,
    /// How long it has been connected.
    pub(super) age: Option<Duration>,
    /// What it sends and gets now; `None` until it was seen twice.
    pub(super) rates: Option<RowRates>,
}

/// Bytes and messages per second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct RowRates {
    pub(super) sent: f64,
    pub(super) received: f64,
    pub(super) deliveries: f64,
}

impl Sample {
    /// Puts two answers together. `now` is the time of day, for the ages of connections.
    pub(super) fn new(overview: Overview, page: Page, taken: Instant, now: OffsetDateTime) -> Self {
        let age = |since: OffsetDateTime| Duration::try_from(now - since).unwrap_or_default();
        let row = |connection: Connection| Row { age: connection.since.map(age), connection, rates: None };
        let rest = if page.next.is_some() { Rest::More } else { Rest::Nothing };
        Self { overview, rows: page.value.into_iter().map(row).collect(), rest, taken }
    }

    /// Computes what connections have done since an earlier sample.
    pub(super) fn compare(&mut self, earlier: &Self) {
        let elapsed = self.taken.saturating_duration_since(earlier.taken).as_secs_f64();
        if elapsed <= 0.0 {
            return;
        }
        let before: HashMap<&str, &Connection> =
            earlier.rows.iter().map(|row| (row.connection.id.as_str(), &row.connection)).collect();
        for Row { connection, rates, .. } in &mut self.rows {
            let per_second =
                |total: u64, before: u64| Duration::from_secs(total.saturating_sub(before)).as_secs_f64() / elapsed;
            *rates = before.get(connection.id.as_str()).map(|before| RowRates {
                sent: per_second(connection.sent, before.sent),
                received: per_second(connection.received, before.received),
                deliveries: per_second(connection.deliveries, before.deliveries),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use time::macros::datetime;

    use super::*;

    fn page(value: serde_json::Value) -> Page {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn rates_are_what_came_since_the_sample_before() {
        let start = Instant::now();
        let now = datetime!(2026-11-28 12:00:10 UTC);
        let first =
            page(json!({"value": [{"id": "a", "sent": 1000, "deliveries": 5, "since": "2026-11-28T12:00:00Z"}]}));
        let first = Sample::new(Overview::default(), first, start, now);
        assert_eq!((first.rows[0].age, first.rows[0].rates), (Some(Duration::from_secs(10)), None));
        let second = page(json!({"value": [{"id": "b"}, {"id": "a", "sent": 3000, "deliveries": 6}], "next": "x"}));
        let mut second = Sample::new(Overview::default(), second, start + Duration::from_secs(2), now);
        second.compare(&first);
        assert_eq!(second.rows[0].rates, None, "it was not there before");
        assert_eq!(second.rows[1].rates, Some(RowRates { sent: 1000.0, received: 0.0, deliveries: 0.5 }));
        assert_eq!((first.rest, second.rest), (Rest::Nothing, Rest::More));
    }

    #[test]
    fn clocks_that_differ_make_no_negative_age() {
        let page = page(json!({"value": [{"id": "a", "since": "2026-11-28T12:00:00Z"}]}));
        let sample = Sample::new(Overview::default(), page, Instant::now(), datetime!(2026-11-28 11:59:58 UTC));
        assert_eq!(sample.rows[0].age, Some(Duration::ZERO));
    }
}
