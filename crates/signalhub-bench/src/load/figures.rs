//! Measurements.

use std::io;
use std::time::{Duration, Instant};

use serde::Serialize;

use signalhub_load::process::{Vitals, busy};

/// What one run cost.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cost {
    pub(crate) user: Duration,
    pub(crate) system: Duration,
    pub(crate) wall: Duration,
    /// The share of all processors that other processes used meanwhile.
    pub(crate) foreign: f64,
}

impl Cost {
    /// Measures what a process spends while something is done.
    pub(crate) fn of<T>(process: u32, work: impl FnOnce() -> io::Result<T>) -> io::Result<(Self, T)> {
        let (vitals, here) = (|| Vitals::of(process), || Vitals::of(std::process::id()));
        let (start, before, own_before, busy_before) = (Instant::now(), vitals()?, here()?, busy()?);
        let done = work()?;
        let (wall, after, own_after, busy_after) = (start.elapsed(), vitals()?, here()?, busy()?);
        let ours = (after.cpu() - before.cpu()) + (own_after.cpu() - own_before.cpu());
        let processors = std::thread::available_parallelism().map_or(1.0, |count| count.get() as f64);
        let foreign = (busy_after - busy_before).saturating_sub(ours).as_secs_f64() / (wall.as_secs_f64() * processors);
        let (user, system) = (after.user - before.user, after.system - before.system);
        Ok((Self { user, system, wall, foreign }, done))
    }

    pub(crate) fn cpu(&self) -> Duration {
        self.user + self.system
    }
}

/// One figure, with what it is held against.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Figure {
    pub(crate) name: String,
    pub(crate) unit: &'static str,
    pub(crate) ours: f64,
    /// The baseline of the same run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) raw: Option<f64>,
    /// The same figure of the other server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reference: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) goal: Option<Goal>,
}

/// A goal, and what is held against it.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Goal {
    pub(crate) id: &'static str,
    pub(crate) text: &'static str,
    pub(crate) met: bool,
}

/// The middle one.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The value that this share of all does not exceed.
pub(crate) fn percentile(mut values: Vec<f64>, share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let index = ((values.len() as f64 * share).ceil() as usize).clamp(1, values.len().max(1)) - 1;
    values.get(index).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_and_percentiles_are_values_that_were_seen() {
        let values: Vec<f64> = (1..=100).rev().map(f64::from).collect();
        assert_eq!(
            (median(values.clone()), percentile(values.clone(), 0.99), percentile(values, 1.0)),
            (51.0, 99.0, 100.0)
        );
        assert_eq!(percentile(vec![7.0], 0.5), 7.0);
    }
}
