//! Spans of publishes, fan-outs and calls, for a collector of OpenTelemetry.
//!
//! They are configured by the standard variables `OTEL_*` alone, and off without an endpoint. Then a publish costs one comparison more, and
//! a delivery or a call nothing. Without the feature `otlp` there are none.

#[cfg(not(feature = "otlp"))]
mod absent;
#[cfg(feature = "otlp")]
mod otlp;

use signalhub::events::TraceParent;

#[cfg(not(feature = "otlp"))]
pub(crate) use absent::{ItemSpan, RequestSpan, Traces};
#[cfg(feature = "otlp")]
pub(crate) use otlp::{ItemSpan, RequestSpan, Traces};

/// The variables that name a collector.
const ENDPOINTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];

/// Tells why spans cannot be sent as the variables say.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TracesError {
    /// The protocol is another one.
    #[error(
        "{variable}: \"{found}\" is not supported: traces are sent as \"http/protobuf\" only, to the port of the collector for HTTP, usually 4318"
    )]
    Protocol {
        /// The variable.
        variable: &'static str,
        /// Its value.
        found: String,
    },
    /// There is no such sampler.
    #[error(
        "OTEL_TRACES_SAMPLER: expected one of always_on, always_off, traceidratio, parentbased_always_on, parentbased_always_off and \
         parentbased_traceidratio, found \"{0}\""
    )]
    Sampler(String),
    /// It is no ratio.
    #[error("OTEL_TRACES_SAMPLER_ARG: expected a number from 0 to 1, found \"{0}\"")]
    Ratio(String),
    /// It is no length of time.
    #[error("{variable}: expected a number of milliseconds, found \"{found}\"")]
    Time {
        /// The variable.
        variable: &'static str,
        /// Its value.
        found: String,
    },
    /// The file with certificate authorities cannot be used.
    #[error("{variable}: {problem}")]
    Certificate {
        /// The variable.
        variable: &'static str,
        /// What is wrong with the file.
        problem: String,
    },
    /// The exporter cannot be made.
    #[error("the exporter of traces cannot be made: {0}")]
    Exporter(String),
}

/// What is known of a notification before it is published.
#[cfg_attr(not(feature = "otlp"), allow(dead_code, reason = "only spans need it"))]
#[derive(Debug)]
pub(crate) struct ItemStart<'a> {
    /// The name of the event.
    pub(crate) event: &'a str,
    /// The trace that it names itself, and what belongs to it.
    pub(crate) own: Option<TraceParent>,
    pub(crate) trace_state: Option<&'a str>,
    /// The source and the id of a CloudEvent.
    pub(crate) cloud_event: Option<(&'a str, &'a str)>,
}

/// What became of a notification.
#[cfg_attr(not(feature = "otlp"), allow(dead_code, reason = "only spans need it"))]
#[derive(Debug)]
pub(crate) enum ItemEnd {
    /// It was published, or is a repeat.
    Published {
        /// Identifies the event.
        id: String,
        /// Where it is.
        position: String,
        /// How many subscribers it matched.
        matched: usize,
    },
    /// It was refused, with this code.
    Refused(&'static str),
}

/// Reads a variable; an empty one counts as absent (OpenTelemetry, Environment Variable Specification).
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.trim().is_empty())
}

/// Tells whether the variables ask for spans to be sent.
fn is_wanted() -> bool {
    let is_off = variable("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"))
        || variable("OTEL_TRACES_EXPORTER").is_some_and(|value| value == "none");
    !is_off && ENDPOINTS.iter().any(|name| variable(name).is_some())
}
