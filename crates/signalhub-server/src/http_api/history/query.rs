//! What a request asks for: the parameters of the history.

use http::Uri;
use signalhub::events::{Action, EventName, Filter, NameError, Since};

use crate::http_api::parameters::{Parameters, SeveralValues};
use crate::http_api::problem::{Problem, ProblemCode};

/// How many events an answer has at most, if the request does not say.
pub(in crate::http_api) const DEFAULT_LIMIT: usize = 100;

/// How many events an answer may have.
pub(in crate::http_api) const MOST_EVENTS: usize = 1_000;

const PARAMETERS: [&str; 5] = ["event", "since", "resource", "action", "limit"];

/// The parameters of a request.
#[derive(Debug, PartialEq)]
pub(super) struct Query {
    /// Which events.
    pub(super) filter: Filter,
    /// From where on.
    pub(super) since: Since,
    /// How many at most.
    pub(super) limit: usize,
}

impl Query {
    pub(super) fn read(uri: &Uri) -> Result<Self, Problem> {
        let parameters = Parameters::of(uri);
        if let Some(name) = parameters.other_than(&PARAMETERS) {
            let detail = format!("\"{name}\" is no parameter: expected event, since, resource, action or limit");
            return Err(Problem::new(ProblemCode::InvalidParameter, detail));
        }
        let event = name::<EventName>(&parameters, "event")?;
        let event = event.ok_or_else(|| expected("event", "the name of an event", "nothing"))?;
        let filter = Filter { event, resource: name(&parameters, "resource")?, action: action(&parameters)? };
        Ok(Self { filter, since: since(&parameters)?, limit: limit(&parameters)? })
    }
}

fn expected(name: &str, expected: &str, found: &str) -> Problem {
    Problem::new(ProblemCode::InvalidParameter, format!("{name}: expected {expected}, found {found}"))
}

fn name<N>(parameters: &Parameters, parameter: &str) -> Result<Option<N>, Problem>
where
    N: std::str::FromStr<Err = NameError>,
{
    match parameters.value(parameter)? {
        None => Ok(None),
        Some("") => Err(expected(parameter, "a name", "an empty text")),
        Some(text) => text
            .parse()
            .map(Some)
            .map_err(|error| Problem::new(ProblemCode::InvalidParameter, format!("{parameter}: {error}"))),
    }
}

fn action(parameters: &Parameters) -> Result<Option<Action>, Problem> {
    let Some(text) = parameters.value("action")? else { return Ok(None) };
    let action = Action::ALL.into_iter().find(|action| action.as_str() == text);
    action.map(Some).ok_or_else(|| expected("action", "created, updated or deleted", &format!("\"{text}\"")))
}

/// Without the parameter, everything that is kept.
fn since(parameters: &Parameters) -> Result<Since, Problem> {
    let invalid = |detail: String| Problem::new(ProblemCode::InvalidPosition, detail);
    match parameters.value("since").map_err(|error| invalid(error.to_string()))? {
        None | Some("earliest") => Ok(Since::Earliest),
        Some(text) => text.parse().map(Since::Position).map_err(|_| {
            invalid(format!("since: expected \"earliest\" or a position, <epoch>:<offset>, found \"{text}\""))
        }),
    }
}

fn limit(parameters: &Parameters) -> Result<usize, Problem> {
    let Some(text) = parameters.value("limit")? else { return Ok(DEFAULT_LIMIT) };
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let limit = text.parse().ok().filter(|limit| is_number && *limit <= MOST_EVENTS);
    limit.ok_or_else(|| expected("limit", &format!("a number up to {MOST_EVENTS}"), &format!("\"{text}\"")))
}

impl From<SeveralValues> for Problem {
    fn from(error: SeveralValues) -> Self {
        Self::new(ProblemCode::InvalidParameter, error.to_string())
    }
}

#[cfg(test)]
mod tests;
