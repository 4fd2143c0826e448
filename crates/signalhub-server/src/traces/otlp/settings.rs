//! What the variables `OTEL_*` say (OpenTelemetry, Environment Variable Specification). The exporter reads the endpoint and the headers itself.

use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::resource::{EnvResourceDetector, TelemetryResourceDetector};
use opentelemetry_sdk::trace::Sampler;
use signalhub_tls_client::TlsClient;

use super::super::{TracesError, variable};

/// The only protocol.
const PROTOCOL: &str = "http/protobuf";

pub(super) struct Settings {
    pub(super) sampler: Sampler,
    pub(super) resource: Resource,
    /// How long a span waits for others, so that they are sent together.
    pub(super) delay: Duration,
    /// How long the collector may take for an answer.
    pub(super) timeout: Duration,
    /// Which collectors are trusted over TLS.
    pub(super) tls: TlsClient,
}

impl Settings {
    pub(super) fn from_environment() -> Result<Self, TracesError> {
        for name in ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"] {
            match variable(name) {
                Some(found) if found != PROTOCOL => return Err(TracesError::Protocol { variable: name, found }),
                Some(_) => break,
                None => {}
            }
        }
        let seconds = Duration::from_secs;
        let timeout = time("OTEL_EXPORTER_OTLP_TIMEOUT", seconds(10))?;
        Ok(Self {
            sampler: sampler()?,
            resource: resource(),
            delay: time("OTEL_BSP_SCHEDULE_DELAY", seconds(5))?,
            timeout: time("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", timeout)?,
            tls: tls()?,
        })
    }
}

/// Without a variable, only what the caller records is recorded.
fn sampler() -> Result<Sampler, TracesError> {
    let Some(name) = variable("OTEL_TRACES_SAMPLER") else { return Ok(parent_based(Sampler::AlwaysOff)) };
    Ok(match name.as_str() {
        "always_on" => Sampler::AlwaysOn,
        "always_off" => Sampler::AlwaysOff,
        "traceidratio" => ratio()?,
        "parentbased_always_on" => parent_based(Sampler::AlwaysOn),
        "parentbased_always_off" => parent_based(Sampler::AlwaysOff),
        "parentbased_traceidratio" => parent_based(ratio()?),
        _ => return Err(TracesError::Sampler(name)),
    })
}

fn parent_based(root: Sampler) -> Sampler {
    Sampler::ParentBased(Box::new(root))
}

fn ratio() -> Result<Sampler, TracesError> {
    let Some(text) = variable("OTEL_TRACES_SAMPLER_ARG") else { return Ok(Sampler::TraceIdRatioBased(1.0)) };
    match text.parse() {
        Ok(ratio) if (0.0..=1.0).contains(&ratio) => Ok(Sampler::TraceIdRatioBased(ratio)),
        _ => Err(TracesError::Ratio(text)),
    }
}

fn resource() -> Resource {
    let resource = Resource::builder_empty()
        .with_service_name("signalhub")
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .with_detector(Box::new(TelemetryResourceDetector))
        .with_detector(Box::new(EnvResourceDetector::new()));
    match variable("OTEL_SERVICE_NAME") {
        Some(name) => resource.with_service_name(name).build(),
        None => resource.build(),
    }
}

fn time(name: &'static str, default: Duration) -> Result<Duration, TracesError> {
    let Some(found) = variable(name) else { return Ok(default) };
    found.parse().map(Duration::from_millis).map_err(|_| TracesError::Time { variable: name, found })
}

fn tls() -> Result<TlsClient, TracesError> {
    for name in ["OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", "OTEL_EXPORTER_OTLP_CERTIFICATE"] {
        if let Some(path) = variable(name) {
            let wrong = |problem: String| TracesError::Certificate { variable: name, problem };
            let pem = std::fs::read(&path).map_err(|error| wrong(format!("{path}: {error}")))?;
            return TlsClient::with_ca(&pem).map_err(|error| wrong(format!("{path}: {error}")));
        }
    }
    Ok(TlsClient::with_system_roots())
}
