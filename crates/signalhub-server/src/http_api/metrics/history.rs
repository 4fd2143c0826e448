//! The history of events.

use std::fmt;

use prometheus_client::encoding::NoLabelSet;
use prometheus_client::metrics::MetricType;
use signalhub::Replays;
use signalhub::events::{Durations, GapReason, HistoryCounts, LogCounts};

use super::labelled;
use super::page::{Page, buckets};

/// What is kept, and how clients that were away were answered.
pub(super) fn kept(page: &mut Page<'_>, kept: &HistoryCounts, replays: &Replays) -> fmt::Result {
    for (name, help, value) in [
        ("signalhub_history_events", "Events that are kept", kept.events),
        ("signalhub_history_bytes", "Bytes that they take", kept.bytes),
        ("signalhub_history_names", "Event names that have a history", kept.names),
    ] {
        page.gauge(name, help, value)?;
    }
    let trimmed = [
        ("events", kept.trimmed_by_events),
        ("bytes", kept.trimmed_by_bytes),
        ("age", kept.trimmed_by_age),
        ("total", kept.trimmed_by_total),
    ];
    let help = "Kept events that were removed, by limit";
    page.counters("signalhub_history_trimmed", help, ["limit"], labelled(&trimmed))?;
    let help = "Events published without a history (history.names)";
    page.counter("signalhub_history_unrecorded", help, kept.unrecorded)?;
    let outcomes =
        [("complete", replays.complete), ("gap", replays.gap), ("refused", replays.refused), ("ended", replays.ended)];
    let help = "Subscribe calls with since, by outcome";
    page.counters("signalhub_history_replays", help, ["outcome"], labelled(&outcomes))?;
    page.counter("signalhub_history_replayed_events", "Missed events that were sent", replays.events)?;
    let gaps = GapReason::ALL.map(|reason| (reason.as_str(), replays.gaps[reason as usize]));
    page.counters("signalhub_history_gaps", "Gaps that clients were told of, by reason", ["reason"], labelled(&gaps))
}

/// What the history on disk does.
pub(super) fn log(page: &mut Page<'_>, log: &LogCounts) -> fmt::Result {
    page.counter("signalhub_history_commits", "Transactions of the history on disk", log.commits)?;
    page.counter("signalhub_history_syncs", "How often it waited until the disk had everything", log.syncs)?;
    let help = "Bytes that it gave to the operating system";
    page.counter("signalhub_history_written_bytes", help, log.written_bytes)?;
    let help = "How long its transactions took";
    durations(page, "signalhub_history_commit_seconds", help, &log.commit_seconds)?;
    durations(page, "signalhub_history_sync_seconds", "How long the disk took", &log.sync_seconds)?;
    page.gauge("signalhub_history_queue", "Events that wait to be written", log.queue)?;
    page.gauge("signalhub_history_failed", "Whether the history on disk cannot be written", u64::from(log.failed))
}

pub(super) fn durations(page: &mut Page<'_>, name: &str, help: &str, durations: &Durations) -> fmt::Result {
    let (sum, count) = (durations.sum.as_secs_f64(), durations.counts.iter().sum());
    let mut histogram = page.descriptor(name, help, MetricType::Histogram)?;
    histogram.encode_histogram::<NoLabelSet>(sum, count, &buckets(&Durations::BOUNDS, &durations.counts), None)
}
