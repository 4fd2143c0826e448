//! Whether this process was the limit, and not the server.

use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;

use crate::latencies::Latencies;
use crate::process::{Vitals, busy};

/// From which share of all processors on this process may have been the limit.
const OWN_CPU_PERCENT: f64 = 80.0;

/// From which share on the machine may have been the limit.
const MACHINE_CPU_PERCENT: f64 = 97.0;

/// From which delay of its own timers on this process may have been the limit, in milliseconds, if that is a tenth of the latency.
const LAG_MS: f64 = 2.0;

/// What this process and its machine spent at a moment.
#[derive(Debug)]
pub(crate) struct Moment {
    at: Instant,
    own: Option<Duration>,
    machine: Option<Duration>,
    resident: Option<u64>,
}

/// What this process took while it measured.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct ThisSide {
    /// Of all processors.
    pub(crate) cpu_percent: Option<f64>,
    /// Of all processors, by all processes.
    pub(crate) machine_cpu_percent: Option<f64>,
    pub(crate) resident_mebibytes: Option<f64>,
    pub(crate) timer_lag_p99_milliseconds: Option<f64>,
    /// Why the figures may say more about this process than about the server.
    pub(crate) warnings: Vec<String>,
}

impl Moment {
    pub(crate) fn now() -> Self {
        let vitals = Vitals::of(std::process::id()).ok();
        Self {
            at: Instant::now(),
            own: vitals.as_ref().map(Vitals::cpu),
            machine: busy().ok(),
            resident: vitals.map(|vitals| vitals.resident),
        }
    }
}

impl ThisSide {
    /// Compares two moments.
    pub(crate) fn between(before: &Moment, after: &Moment, lags: &Latencies, latencies: &Latencies) -> Self {
        let processors = std::thread::available_parallelism().map_or(1.0, |count| count.get() as f64);
        let wall = after.at.duration_since(before.at).as_secs_f64() * processors;
        let percent = |before: Option<Duration>, after: Option<Duration>| {
            let spent = after?.saturating_sub(before?).as_secs_f64();
            (wall > 0.0).then_some((100.0 * spent / wall).min(100.0))
        };
        let mut side = Self {
            cpu_percent: percent(before.own, after.own),
            machine_cpu_percent: percent(before.machine, after.machine),
            resident_mebibytes: after.resident.map(|bytes| bytes as f64 / f64::from(1 << 20)),
            timer_lag_p99_milliseconds: lags.milliseconds(99.0),
            warnings: Vec::new(),
        };
        side.warnings = side.judge(latencies.milliseconds(99.0));
        side
    }

    fn judge(&self, latency_ms: Option<f64>) -> Vec<String> {
        let mut warnings = Vec::new();
        if let Some(percent) = self.cpu_percent.filter(|percent| *percent > OWN_CPU_PERCENT) {
            warnings.push(format!("it used {percent:.0} % of this machine's processors"));
        } else if let Some(percent) = self.machine_cpu_percent.filter(|percent| *percent > MACHINE_CPU_PERCENT) {
            warnings.push(format!("this machine was busy to {percent:.0} %"));
        }
        let part_of_latency = |lag: &f64| latency_ms.is_none_or(|latency| *lag > latency / 10.0);
        if let Some(lag) = self.timer_lag_p99_milliseconds.filter(|lag| *lag > LAG_MS).filter(part_of_latency) {
            warnings.push(format!("its timers were late by {lag:.1} ms (p99)"));
        }
        warnings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generator_that_was_the_limit_is_warned_about() {
        let side = |cpu, machine, lag| ThisSide {
            cpu_percent: Some(cpu),
            machine_cpu_percent: Some(machine),
            resident_mebibytes: None,
            timer_lag_p99_milliseconds: Some(lag),
            warnings: Vec::new(),
        };
        for (cpu, machine, lag, latency, warnings) in [
            (38.0, 60.0, 0.3, 5.0, 0),
            (38.0, 60.0, 2.5, 100.0, 0),
            (81.0, 99.0, 0.3, 5.0, 1),
            (38.0, 98.0, 0.3, 5.0, 1),
            (38.0, 60.0, 2.5, 5.0, 1),
            (90.0, 90.0, 20.0, 50.0, 2),
        ] {
            assert_eq!(side(cpu, machine, lag).judge(Some(latency)).len(), warnings, "{cpu} {machine} {lag} {latency}");
        }
    }
}
