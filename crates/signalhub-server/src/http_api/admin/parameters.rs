//! The parameters in the query of a request to the admin API.

use super::call::Call;
use crate::http_api::parameters::Parameters;
use crate::http_api::problem::{Problem, ProblemCode};

/// The parameters that a request gives. Empty ones count as absent.
pub(super) struct Given(Parameters);

impl Given {
    /// Reads them, and refuses one that is none of these.
    pub(super) fn read(call: &Call, names: &[&str]) -> Result<Self, Problem> {
        let parameters = call.query();
        if let Some(other) = parameters.other_than(names) {
            return Err(invalid(format!("{other}: expected one of {}", names.join(", "))));
        }
        Ok(Self(parameters))
    }

    /// The value of a parameter.
    pub(super) fn value(&self, name: &str) -> Result<Option<&str>, Problem> {
        let value = self.0.value(name).map_err(|error| invalid(error.to_string()))?;
        Ok(value.filter(|value| !value.is_empty()))
    }

    /// A number of entries from 1 to `most`, which a list has at most.
    pub(super) fn limit(&self, default: usize, most: usize) -> Result<usize, Problem> {
        let Some(limit) = self.value("limit")? else { return Ok(default) };
        let limit = limit.parse().ok().filter(|limit| (1..=most).contains(limit));
        limit.ok_or_else(|| invalid(format!("limit: expected a whole number from 1 to {most}")))
    }
}

pub(super) fn invalid(detail: impl Into<String>) -> Problem {
    Problem::new(ProblemCode::InvalidParameter, detail)
}
