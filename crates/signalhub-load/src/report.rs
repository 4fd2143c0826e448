//! What a run found.

mod text;

use serde::Serialize;

use crate::expectation::Expectation;
use crate::latencies::Latencies;
use crate::plan::Plan;
use crate::receiver::Received;
use crate::schedule::Schedule;
use crate::sender::{Reasons, Sent};
use crate::this_side::ThisSide;

/// What a run found. It is written as text ([`Display`](std::fmt::Display)) and as JSON ([`Serialize`]), with units in the names.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    pub(crate) url: String,
    pub(crate) connections: u32,
    pub(crate) protocol: &'static str,
    pub(crate) transport: &'static str,
    pub(crate) connect: Connect,
    pub(crate) published: Published,
    pub(crate) delivered: Delivered,
    pub(crate) latency: Latency,
    pub(crate) fairness: Fairness,
    pub(crate) throughput: Throughput,
    pub(crate) this_side: ThisSide,
    pub(crate) slow: Option<Slow>,
    pub(crate) ended: Ended,
    pub(crate) interrupted: bool,
    pub(crate) expectations: Vec<Met>,
    pub(crate) problems: Vec<String>,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct Connect {
    pub(crate) connected: u64,
    pub(crate) failed: u64,
    pub(crate) seconds: f64,
    pub(crate) p50_milliseconds: Option<f64>,
    pub(crate) p99_milliseconds: Option<f64>,
    pub(crate) failures: Vec<Failure>,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct Failure {
    pub(crate) count: u64,
    pub(crate) reason: String,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct Published {
    pub(crate) accepted: u64,
    pub(crate) planned: u64,
    pub(crate) per_second: Option<f64>,
    pub(crate) receipt_p50_milliseconds: Option<f64>,
    pub(crate) receipt_p99_milliseconds: Option<f64>,
    pub(crate) failures: Vec<Failure>,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct Delivered {
    pub(crate) delivered: u64,
    pub(crate) expected: u64,
    pub(crate) lost: u64,
    pub(crate) doubled: u64,
    pub(crate) out_of_order: u64,
    pub(crate) late: u64,
    pub(crate) late_after_seconds: f64,
    /// Events that came to another group than theirs.
    pub(crate) misrouted: u64,
}

/// From when an event was due to its arrival.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Latency {
    pub(crate) p50_milliseconds: Option<f64>,
    pub(crate) p90_milliseconds: Option<f64>,
    pub(crate) p99_milliseconds: Option<f64>,
    pub(crate) p99_9_milliseconds: Option<f64>,
    pub(crate) max_milliseconds: Option<f64>,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct Fairness {
    pub(crate) slowest_1_percent_p99_milliseconds: Option<f64>,
    pub(crate) first_to_last_p50_milliseconds: Option<f64>,
    pub(crate) first_to_last_p99_milliseconds: Option<f64>,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct Throughput {
    pub(crate) deliveries_per_second: f64,
    pub(crate) megabytes_per_second: f64,
    /// How many subscribers the events matched, as the receipts of the server say.
    pub(crate) server_matched: Option<u64>,
    pub(crate) server_matched_agrees: Option<bool>,
}

/// The connections that did not read.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Slow {
    pub(crate) connections: u64,
    pub(crate) ended_by_server: u64,
}

/// The receiving connections that the server ended before the run did.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Ended {
    pub(crate) connections: u64,
    pub(crate) reasons: Vec<Failure>,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct Met {
    pub(crate) expectation: String,
    pub(crate) measured_milliseconds: Option<f64>,
    pub(crate) met: bool,
}

/// What the tasks of a run have found.
pub(crate) struct Findings {
    pub(crate) connect: Connect,
    pub(crate) received: Vec<Received>,
    pub(crate) sent: Vec<Sent>,
    pub(crate) slow: Option<Slow>,
    /// How many of the slow connections each group has.
    pub(crate) slow_by_group: Vec<u64>,
    pub(crate) spreads: Latencies,
    pub(crate) latencies: Latencies,
    pub(crate) this_side: ThisSide,
    /// From the end of the warm-up to the last event, in seconds.
    pub(crate) measured_seconds: f64,
    pub(crate) interrupted: bool,
}

impl Report {
    /// Tells whether all was accepted and delivered once, in order and in time, and every expectation was met.
    pub fn passed(&self) -> bool {
        self.problems.is_empty()
    }

    /// Tells why the run did not pass.
    pub fn problems(&self) -> &[String] {
        &self.problems
    }

    pub(crate) fn of(plan: &Plan, schedule: &Schedule, findings: &Findings) -> Self {
        let Findings { connect, received, sent, slow, slow_by_group, spreads, latencies, this_side, .. } = findings;
        let delivered = delivered(plan, received, sent);
        let matched = sent.iter().filter_map(|sent| sent.matched).reduce(|one, other| one + other);
        // The last event stands for the time until the next one would have been due.
        let seconds = findings.measured_seconds + plan.rate.due(1).as_secs_f64();
        let bytes: u64 = received.iter().map(|received| received.bytes).sum();
        let has_ended = received.iter().any(|received| received.ended.is_some());
        let throughput = Throughput {
            deliveries_per_second: delivered.delivered as f64 / seconds,
            megabytes_per_second: bytes as f64 / 1e6 / seconds,
            server_matched: matched,
            server_matched_agrees: matched.map(|matched| agrees(matched, &delivered, sent, slow_by_group, has_ended)),
        };
        let mut report = Self {
            url: without_secrets(&plan.url).to_owned(),
            connections: plan.connections.get(),
            protocol: plan.protocol.name(),
            transport: plan.transport.name(),
            connect: connect.clone(),
            published: published(schedule, sent, seconds),
            delivered,
            latency: latency(latencies),
            fairness: Fairness {
                slowest_1_percent_p99_milliseconds: slowest(received).milliseconds(99.0),
                first_to_last_p50_milliseconds: spreads.milliseconds(50.0),
                first_to_last_p99_milliseconds: spreads.milliseconds(99.0),
            },
            throughput,
            this_side: this_side.clone(),
            slow: slow.clone(),
            ended: ended(received),
            interrupted: findings.interrupted,
            expectations: plan.expectations.iter().map(|expected| met(expected, latencies)).collect(),
            problems: Vec::new(),
        };
        report.problems = report.judge();
        report
    }

    fn judge(&self) -> Vec<String> {
        let Delivered { lost, doubled, out_of_order, late, misrouted, .. } = self.delivered;
        let counts = [
            (self.connect.failed, "connections failed"),
            (self.ended.connections, "connections ended before the run did"),
            (self.published.failures.iter().map(|failure| failure.count).sum(), "events were not accepted"),
            (lost, "deliveries were lost"),
            (doubled, "deliveries were doubled"),
            (out_of_order, "deliveries were out of order"),
            (late, "deliveries were late"),
            (misrouted, "deliveries came to another group than theirs"),
        ];
        let counted = counts.into_iter().filter(|(count, _)| *count > 0);
        let mut problems: Vec<String> = counted.map(|(count, what)| format!("{count} {what}")).collect();
        let Published { accepted, planned, ref failures, .. } = self.published;
        if accepted == 0 || (failures.is_empty() && accepted < planned && !self.interrupted) {
            problems.push(format!("{accepted} of {planned} events were sent in time"));
        }
        if self.throughput.server_matched_agrees == Some(false) {
            problems.push("the server matched another number of subscribers".to_owned());
        }
        let missed = self.expectations.iter().filter(|expectation| !expectation.met);
        problems.extend(missed.map(|expectation| format!("{} was not met", expectation.expectation)));
        problems
    }
}

/// A list of reasons, the most frequent one first.
pub(crate) fn failures(reasons: &Reasons) -> Vec<Failure> {
    let mut failures: Vec<_> =
        reasons.iter().map(|(reason, count)| Failure { count, reason: reason.to_owned() }).collect();
    failures.sort_by_key(|failure| std::cmp::Reverse(failure.count));
    failures
}

fn published(schedule: &Schedule, sent: &[Sent], seconds: f64) -> Published {
    let mut receipts = Latencies::default();
    let mut reasons = Reasons::default();
    for sent in sent {
        receipts.add(&sent.receipts);
        reasons.merge(&sent.reasons);
    }
    let tried: u64 = sent.iter().map(Sent::tried).sum();
    Published {
        accepted: sent.iter().map(|sent| sent.accepted).sum(),
        planned: schedule.events() - schedule.warm_up_events(),
        per_second: (tried > 0).then_some(tried as f64 / seconds),
        receipt_p50_milliseconds: receipts.milliseconds(50.0),
        receipt_p99_milliseconds: receipts.milliseconds(99.0),
        failures: failures(&reasons),
    }
}

fn delivered(plan: &Plan, received: &[Received], sent: &[Sent]) -> Delivered {
    let (mut expected, mut lost) = (0, 0);
    for receiver in received {
        for sent in sent {
            let (published, refused) = sent.sent_to(receiver.group);
            expected += published.len() as u64 - refused.range(published.clone()).count() as u64;
            lost += receiver.lost(sent.sender, published, refused);
        }
    }
    let sum = |count: fn(&Received) -> u64| received.iter().map(count).sum();
    Delivered {
        delivered: expected - lost,
        expected,
        lost,
        doubled: sum(|received| received.doubled),
        out_of_order: sum(|received| received.out_of_order),
        late: sum(|received| received.late),
        late_after_seconds: plan.late.as_secs_f64(),
        misrouted: sum(|received| received.misrouted),
    }
}

/// Tells whether the server matched all that should have come. A connection that does not read counts while the server keeps it.
fn agrees(matched: u64, delivered: &Delivered, sent: &[Sent], slow_by_group: &[u64], has_ended: bool) -> bool {
    let to_slow: u64 = (0..)
        .zip(slow_by_group)
        .flat_map(|(group, slow)| sent.iter().map(move |sent| (sent.sent_to(group), slow)))
        .map(|((sent, refused), slow)| slow * (sent.len() as u64 - refused.range(sent).count() as u64))
        .sum();
    // A connection that has ended was matched at least by what it got.
    let least = if has_ended { delivered.delivered } else { delivered.expected };
    (least..=delivered.expected + to_slow).contains(&matched)
}

fn latency(latencies: &Latencies) -> Latency {
    Latency {
        p50_milliseconds: latencies.milliseconds(50.0),
        p90_milliseconds: latencies.milliseconds(90.0),
        p99_milliseconds: latencies.milliseconds(99.0),
        p99_9_milliseconds: latencies.milliseconds(99.9),
        max_milliseconds: latencies.milliseconds(100.0),
    }
}

/// The latencies of the slowest hundredth of the connections, by their own 99th percentile; of one connection at least.
fn slowest(received: &[Received]) -> Latencies {
    let p99 = |received: &Received| received.latencies.milliseconds(99.0).unwrap_or(0.0);
    let mut by_latency: Vec<&Received> = received.iter().collect();
    by_latency.sort_by(|one, other| p99(other).total_cmp(&p99(one)));
    let mut slowest = Latencies::default();
    for received in by_latency.iter().take(received.len().div_ceil(100)) {
        slowest.add(&received.latencies);
    }
    slowest
}

fn ended(received: &[Received]) -> Ended {
    let mut reasons = Reasons::default();
    for error in received.iter().filter_map(|received| received.ended.as_ref()) {
        reasons.add(error.to_string());
    }
    Ended { connections: reasons.count(), reasons: failures(&reasons) }
}

fn met(expected: &Expectation, latencies: &Latencies) -> Met {
    let measured = latencies.milliseconds(expected.percentile);
    let met = measured.is_some_and(|measured| measured < expected.below.as_secs_f64() * 1000.0);
    Met { expectation: expected.to_string(), measured_milliseconds: measured, met }
}

/// Returns a URL without its query, which may have a token.
fn without_secrets(url: &str) -> &str {
    url.split(['?', '#']).next().unwrap_or_default()
}

#[cfg(test)]
mod tests;
