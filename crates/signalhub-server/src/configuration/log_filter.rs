//! What is logged.

use tracing_subscriber::EnvFilter;

use super::setting::{Given, Setting, quoted};

/// What a filter is, for errors.
pub(crate) const EXPECTED: &str =
    "\"error\", \"warn\", \"info\", \"debug\", \"trace\" or a filter such as \"info,signalhub=debug\"";

/// Selects what is logged, in the syntax of `RUST_LOG`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogFilter(String);

impl LogFilter {
    /// Makes the filter for the level `info` and above.
    pub fn info() -> Self {
        Self("info".to_owned())
    }

    /// Reads a filter; `None` if it is none.
    pub(crate) fn read(text: &str) -> Option<Self> {
        // A word that is no level would be taken for the name of a crate, and nothing would be logged at all.
        let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        let level = text.parse::<tracing_subscriber::filter::LevelFilter>().is_ok();
        (has_directive(text) && EnvFilter::try_new(text).is_ok() && (level || !plain)).then(|| Self(text.to_owned()))
    }

    /// Returns it as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Tells whether a filter selects anything: one without a directive, such as `""` or `","`, would silence the log.
pub(crate) fn has_directive(text: &str) -> bool {
    text.split(',').any(|directive| !directive.trim().is_empty())
}

impl Setting for LogFilter {
    const EXPECTED: &'static str = EXPECTED;

    fn parse(given: &Given<'_>) -> Option<Self> {
        Self::read(given.text()?)
    }

    fn written(&self) -> String {
        quoted(&self.0)
    }
}
