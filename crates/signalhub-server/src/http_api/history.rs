//! The history over HTTP: which events were published after a position.

mod entry;
mod query;

use std::sync::Arc;

use http::header::CACHE_CONTROL;
use http::request::Parts;
use http::{HeaderValue, Method, Response};
use serde::Serialize;
use serde_json::value::RawValue;
use signalhub::connections::Body;
use signalhub::events::{Bounds, Event, Gap, GapReason, LogUnavailable, Position, Replay, ReplayLimits, Since};
use time::OffsetDateTime;
use tracing::Instrument;

use super::problem::{Problem, ProblemCode};
use super::publish::PublishApi;
use super::publish::reader::Reader;
use super::response::json_response;
pub(crate) use entry::entry;
use query::Query;
pub(super) use query::{DEFAULT_LIMIT, MOST_EVENTS};

/// The path of the history.
pub(crate) const PATH: &str = "/api/v1/history";

/// How many bytes the events of an answer have at most. An answer has at least one event, so that its reader gets on.
const LONGEST_ANSWER: usize = 1 << 20;

/// How many events are read at once.
const PAGE: usize = 256;

/// How many events are looked at for one answer, whether they match or not.
const MOST_READ: usize = 10_000;

/// The problems that it answers with.
pub(super) const PROBLEMS: [ProblemCode; 11] = [
    ProblemCode::InvalidParameter,
    ProblemCode::InvalidPosition,
    ProblemCode::UnknownEvent,
    ProblemCode::Unauthenticated,
    ProblemCode::Forbidden,
    ProblemCode::NoHistory,
    ProblemCode::MethodNotAllowed,
    ProblemCode::RateLimited,
    ProblemCode::TooManyFailures,
    ProblemCode::Unavailable,
    ProblemCode::HistoryUnavailable,
];

/// Those of them that the publish API does not answer with.
pub(super) const ONLY_PROBLEMS: [ProblemCode; 3] =
    [ProblemCode::InvalidParameter, ProblemCode::InvalidPosition, ProblemCode::NoHistory];

/// Gives the events that a broker keeps to those who may read them.
#[derive(Debug)]
pub(crate) struct HistoryApi {
    /// It has the broker, and identifies readers as it does publishers.
    publish: Arc<PublishApi>,
}

/// The answer to a request.
#[derive(Debug, Serialize)]
struct Answer {
    event: String,
    /// From here on every event is kept. It is behind `last` if none is.
    first: String,
    /// The latest event.
    last: String,
    gap: Option<GapMembers>,
    /// Where the next request goes on.
    next: String,
    events: Vec<Box<RawValue>>,
}

/// A gap, with the members that it has for subscribers.
#[derive(Debug, Serialize)]
struct GapMembers {
    from: String,
    first: Option<String>,
    reason: &'static str,
}

/// What was found, and how far that goes.
struct Found {
    events: Vec<Box<RawValue>>,
    cursor: u64,
    gap: Option<Gap>,
}

impl HistoryApi {
    pub(crate) fn new(publish: Arc<PublishApi>) -> Self {
        Self { publish }
    }

    /// Answers one request.
    pub(crate) async fn answer(&self, head: &Parts) -> Response<Body> {
        let answer = match head.method {
            Method::GET | Method::HEAD => self.read(head).await,
            _ => Err(Problem::method_not_allowed("GET, HEAD")),
        };
        answer.unwrap_or_else(|problem| self.publish.refuse(&problem))
    }

    async fn read(&self, head: &Parts) -> Result<Response<Body>, Problem> {
        let reader = self.publish.reader(head).await?;
        let span = reader.span();
        let answer = self.read_as(&reader, head).instrument(span.clone()).await;
        Ok(answer.unwrap_or_else(|problem| span.in_scope(|| self.publish.refuse(&problem))))
    }

    async fn read_as(&self, reader: &Reader, head: &Parts) -> Result<Response<Body>, Problem> {
        let query = Query::read(&head.uri)?;
        let Query { filter, since, limit } = &query;
        reader.check(filter, self.publish.broker().catalogue())?;
        if let Since::Position(position) = since {
            self.publish.broker().wait_for(&filter.event, *position).await;
        }
        let bounds = self.publish.broker().bounds(&filter.event);
        let Some(first) = bounds.first else {
            return Err(Problem::new(
                ProblemCode::NoHistory,
                "the event has no history (history.store, history.names)",
            ));
        };
        let found = self.find(reader, &query, bounds, first).await?;
        let position = |offset| Position::new(bounds.epoch, offset).to_string();
        let last = bounds.top.max(found.cursor);
        // Without events there is nothing to go on behind: the reader begins with what comes next.
        let next = if found.gap.is_some() || *limit == 0 { last } else { found.cursor };
        tracing::debug!(event = filter.event.as_str(), ?since, events = found.events.len(), "the history was read");
        let mut response = json_response(&Answer {
            event: filter.event.as_str().to_owned(),
            first: position(first),
            last: position(last),
            gap: found.gap.map(GapMembers::from),
            next: position(next),
            events: found.events,
        });
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        Ok(response)
    }

    /// Finds the events that a request asks for, as many as fit into an answer.
    async fn find(&self, reader: &Reader, query: &Query, bounds: Bounds, first: u64) -> Result<Found, Problem> {
        let unlimited = ReplayLimits { matching: usize::MAX, scanned: usize::MAX };
        let gap = Replay::new(query.since, bounds, unlimited).gap();
        let cursor = match query.since {
            Since::Position(position) if gap.is_none() => position.offset(),
            _ => first.saturating_sub(1),
        };
        let mut found = Found { events: Vec::new(), cursor, gap };
        let (now, mut looked_at, mut bytes) = (OffsetDateTime::now_utc(), 0, 0);
        let matches = |event: &Event| !event.is_expired(now) && query.filter.matches(event) && reader.may_read(event);
        while found.gap.is_none() && found.events.len() < query.limit && looked_at < MOST_READ {
            let after = Position::new(bounds.epoch, found.cursor);
            let page =
                self.publish.broker().read(&query.filter.event, after, PAGE).await.map_err(|LogUnavailable| {
                    Problem::new(ProblemCode::HistoryUnavailable, "the history cannot be read now")
                })?;
            if found.cursor + 1 < page.first
                && let Since::Position(from) = query.since
            {
                // It was trimmed meanwhile. If there are events already, the next request is told.
                if found.events.is_empty() {
                    let first = Some(Position::new(bounds.epoch, page.first));
                    found.gap = Some(Gap { from, first, reason: GapReason::Trimmed });
                }
                break;
            }
            if page.through <= found.cursor {
                break;
            }
            looked_at += page.events.len().max(1);
            for (offset, event) in &page.events {
                let entry = if matches(event) { entry(Position::new(bounds.epoch, *offset), event) } else { None };
                if let Some(entry) = entry {
                    bytes += entry.get().len();
                    if found.events.len() == query.limit || (bytes > LONGEST_ANSWER && !found.events.is_empty()) {
                        return Ok(found);
                    }
                    found.events.push(entry);
                }
                found.cursor = *offset;
            }
            if found.events.len() < query.limit {
                found.cursor = page.through;
            }
        }
        Ok(found)
    }
}

impl From<Gap> for GapMembers {
    fn from(Gap { from, first, reason }: Gap) -> Self {
        Self { from: from.to_string(), first: first.map(|first| first.to_string()), reason: reason.as_str() }
    }
}
