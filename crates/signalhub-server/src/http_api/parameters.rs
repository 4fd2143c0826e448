//! The parameters in the query of a request.

use http::Uri;
use signalhub::connections::query_pairs;

/// The parameters of a request, in their order.
#[derive(Debug)]
pub(super) struct Parameters(Vec<(String, String)>);

/// A parameter is given more than once.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}: expected one value, found several")]
pub(super) struct SeveralValues(String);

impl Parameters {
    pub(super) fn of(uri: &Uri) -> Self {
        Self(query_pairs(uri.query()).collect())
    }

    /// Returns the value of a parameter; `None` if it is not given.
    pub(super) fn value(&self, name: &str) -> Result<Option<&str>, SeveralValues> {
        let mut values = self.0.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str());
        let first = values.next();
        if values.next().is_some() { Err(SeveralValues(name.to_owned())) } else { Ok(first) }
    }

    /// Returns the name of a parameter that is none of these.
    pub(super) fn other_than(&self, names: &[&str]) -> Option<&str> {
        self.0.iter().map(|(name, _)| name.as_str()).find(|name| !names.contains(name))
    }
}
