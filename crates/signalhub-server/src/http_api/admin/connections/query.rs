//! What a list of connections is asked for, and how one is ended.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use signalhub::connections::{ConnectionSelection, Dismissal, TransportKind};
use signalhub::events::EventName;

use super::LONGEST_REASON;
use crate::http_api::parameters::Parameters;
use crate::http_api::problem::{Problem, ProblemCode};

/// How many connections a page has, if the request does not say.
pub(in crate::http_api) const DEFAULT_LIMIT: usize = 100;

/// How many connections a page may have.
pub(in crate::http_api) const MOST_ROWS: usize = 1_000;

const PARAMETERS: [&str; 9] = ["user", "organisation", "event", "transport", "slow", "node", "sort", "limit", "after"];

/// The parameters of a list.
#[derive(Debug)]
pub(super) struct Query {
    user: Option<String>,
    organisation: Option<String>,
    pub(super) event: Option<EventName>,
    transport: Option<TransportKind>,
    /// Only connections that have much queued.
    pub(super) slow: bool,
    /// Only connections of the node with this name.
    pub(super) node: Option<String>,
    pub(super) sort: Sort,
    pub(super) limit: usize,
    /// The last connection of the page before.
    pub(super) after: Option<Cursor>,
}

/// What a list is sorted by. The highest value comes first: the oldest connection, the longest queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http_api) enum Sort {
    Age,
    Queued,
    Sent,
    Subscriptions,
}

/// The place of a connection in a list.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(super) struct Cursor {
    pub(super) rank: u64,
    pub(super) id: String,
}

impl Sort {
    pub(in crate::http_api) const ALL: [Self; 4] = [Self::Age, Self::Queued, Self::Sent, Self::Subscriptions];

    pub(in crate::http_api) fn as_str(self) -> &'static str {
        match self {
            Self::Age => "age",
            Self::Queued => "queued",
            Self::Sent => "sent",
            Self::Subscriptions => "subscriptions",
        }
    }
}

impl Cursor {
    /// The order of a list: the highest rank first, and connections of one rank by their ids.
    pub(super) fn order(&self, other: &Self) -> Ordering {
        other.rank.cmp(&self.rank).then_with(|| self.id.cmp(&other.id))
    }

    pub(super) fn is_behind(&self, other: &Self) -> bool {
        self.order(other) == Ordering::Greater
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.rank, self.id)
    }
}

impl FromStr for Cursor {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (rank, id) = text.split_once('.').ok_or(())?;
        Ok(Self { rank: rank.parse().map_err(drop)?, id: id.to_owned() })
    }
}

impl Query {
    pub(super) fn read(parameters: &Parameters) -> Result<Self, Problem> {
        if let Some(name) = parameters.other_than(&PARAMETERS) {
            let detail = format!("\"{name}\" is no parameter: expected one of {}", PARAMETERS.join(", "));
            return Err(Problem::new(ProblemCode::InvalidParameter, detail));
        }
        let owned = |name: &str| Ok::<_, Problem>(value(parameters, name)?.map(str::to_owned));
        let limit = parsed(parameters, "limit", "a whole number from 1 to 1000", |text| {
            text.parse().ok().filter(|limit| (1..=MOST_ROWS).contains(limit))
        })?;
        let sort = parsed(parameters, "sort", "age, queued, sent or subscriptions", |text| {
            Sort::ALL.into_iter().find(|sort| sort.as_str() == text)
        })?;
        Ok(Self {
            user: owned("user")?,
            organisation: owned("organisation")?,
            event: parsed(parameters, "event", "the name of an event", |text| text.parse().ok())?,
            transport: parsed(parameters, "transport", "web_sockets, server_sent_events or long_polling", |text| {
                TransportKind::ALL.into_iter().find(|kind| kind.label() == text)
            })?,
            slow: boolean(parameters, "slow")?.unwrap_or_default(),
            node: owned("node")?,
            sort: sort.unwrap_or(Sort::Age),
            limit: limit.unwrap_or(DEFAULT_LIMIT),
            after: parsed(parameters, "after", "what an answer had as next", |text| text.parse().ok())?,
        })
    }

    /// The part of the query that is decided by the owner and the transport of a connection.
    pub(super) fn selection(&self) -> ConnectionSelection<'_> {
        let mut selection = ConnectionSelection::default();
        (selection.user, selection.organisation) = (self.user.as_deref(), self.organisation.as_deref());
        selection.transport = self.transport;
        selection
    }
}

/// Reads how one connection is to be ended.
pub(super) fn dismissal(parameters: &Parameters) -> Result<Dismissal, Problem> {
    if let Some(name) = parameters.other_than(&["reconnect", "reason"]) {
        let detail = format!("\"{name}\" is no parameter: expected reconnect or reason");
        return Err(Problem::new(ProblemCode::InvalidParameter, detail));
    }
    let reason = parsed(parameters, "reason", "a text of at most 256 characters", |text| {
        (text.chars().count() <= LONGEST_REASON).then(|| text.into())
    })?;
    Ok(Dismissal { allow_reconnect: boolean(parameters, "reconnect")?.unwrap_or_default(), reason })
}

/// The value of a parameter; `None` if it is not given, or empty, as in a form that was left empty.
fn value<'a>(parameters: &'a Parameters, name: &str) -> Result<Option<&'a str>, Problem> {
    Ok(parameters.value(name)?.filter(|text| !text.is_empty()))
}

fn parsed<T>(
    parameters: &Parameters,
    name: &str,
    expected: &str,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<Option<T>, Problem> {
    let Some(text) = value(parameters, name)? else { return Ok(None) };
    let wrong = || Problem::new(ProblemCode::InvalidParameter, format!("{name}: expected {expected}"));
    parse(text).map(Some).ok_or_else(wrong)
}

fn boolean(parameters: &Parameters, name: &str) -> Result<Option<bool>, Problem> {
    parsed(parameters, name, "true or false", |text| text.parse().ok())
}
