//! The report as a short JSON object, which a badge is drawn from.

use serde::Serialize;

use super::Report;

/// The members of a shields.io endpoint badge, and the counts.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Summary {
    schema_version: u8,
    label: &'static str,
    message: String,
    color: &'static str,
    passed: usize,
    failed: usize,
    not_due: usize,
    seconds: f64,
}

pub(super) fn write(report: &Report) -> String {
    let (passed, failed, not_due) = (report.passed(), report.failed(), report.not_due());
    let summary = Summary {
        schema_version: 1,
        label: "SignalR conformance",
        message: format!("{passed}/{}", passed + failed + not_due),
        color: match (failed, not_due) {
            (0, 0) => "brightgreen",
            (0, _) => "yellow",
            _ => "red",
        },
        passed,
        failed,
        not_due,
        seconds: (report.elapsed.as_secs_f64() * 1_000.0).round() / 1_000.0,
    };
    serde_json::to_string_pretty(&summary).expect("strings and numbers always serialise") + "\n"
}
