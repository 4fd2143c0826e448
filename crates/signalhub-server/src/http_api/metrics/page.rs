//! A page for Prometheus that is being written.

use std::fmt;
use std::time::Duration;

use prometheus_client::encoding::{
    DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue, EncodeMetric, MetricEncoder, NoLabelSet,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;
use signalhub::connections::Observed;

/// A page that is being written. Names are those that Prometheus shows, but counters without `_total`.
pub(super) struct Page<'a>(pub(super) DescriptorEncoder<'a>);

/// The values of some labels.
pub(super) type Values<'a, const LABELS: usize> = [&'a str; LABELS];

impl Page<'_> {
    pub(super) fn gauge<N: EncodeGaugeValue>(&mut self, name: &str, help: &str, value: N) -> fmt::Result {
        ConstGauge::new(value).encode(self.descriptor(name, help, MetricType::Gauge)?)
    }

    pub(super) fn gauges<'v, N: EncodeGaugeValue, const LABELS: usize>(
        &mut self,
        name: &str,
        help: &str,
        labels: Values<'_, LABELS>,
        values: impl IntoIterator<Item = (Values<'v, LABELS>, N)>,
    ) -> fmt::Result {
        let mut family = self.descriptor(name, help, MetricType::Gauge)?;
        values
            .into_iter()
            .try_for_each(|(which, value)| ConstGauge::new(value).encode(family.encode_family(&pairs(labels, which))?))
    }

    pub(super) fn counter<N: EncodeCounterValue>(&mut self, name: &str, help: &str, value: N) -> fmt::Result {
        ConstCounter::new(value).encode(self.descriptor(name, help, MetricType::Counter)?)
    }

    pub(super) fn counters<'v, const LABELS: usize>(
        &mut self,
        name: &str,
        help: &str,
        labels: Values<'_, LABELS>,
        values: impl IntoIterator<Item = (Values<'v, LABELS>, u64)>,
    ) -> fmt::Result {
        let mut family = self.descriptor(name, help, MetricType::Counter)?;
        values.into_iter().try_for_each(|(which, value)| {
            ConstCounter::new(value).encode(family.encode_family(&pairs(labels, which))?)
        })
    }

    pub(super) fn histogram(&mut self, name: &str, help: &str, observed: &Observed) -> fmt::Result {
        let mut histogram = self.descriptor(name, help, MetricType::Histogram)?;
        let (sum, buckets) = (observed.sum.as_secs_f64(), buckets(observed.bounds, &observed.counts));
        histogram.encode_histogram::<NoLabelSet>(sum, observed.count(), &buckets, None)
    }

    pub(super) fn histograms<'v, const LABELS: usize>(
        &mut self,
        name: &str,
        help: &str,
        labels: Values<'_, LABELS>,
        values: impl IntoIterator<Item = (Values<'v, LABELS>, Observed)>,
    ) -> fmt::Result {
        let mut family = self.descriptor(name, help, MetricType::Histogram)?;
        values.into_iter().try_for_each(|(which, observed)| {
            let (sum, buckets) = (observed.sum.as_secs_f64(), buckets(observed.bounds, &observed.counts));
            let labels = pairs(labels, which);
            let mut histogram = family.encode_family(&labels)?;
            histogram.encode_histogram::<NoLabelSet>(sum, observed.count(), &buckets, None)
        })
    }

    /// Begins a metric. If its name ends with a unit, the page tells the unit.
    pub(super) fn descriptor<'s>(
        &'s mut self,
        name: &'s str,
        help: &'s str,
        kind: MetricType,
    ) -> Result<MetricEncoder<'s>, fmt::Error> {
        let units = [("_seconds", &Unit::Seconds), ("_bytes", &Unit::Bytes)];
        let found = units.into_iter().find_map(|(suffix, unit)| Some((name.strip_suffix(suffix)?, Some(unit))));
        let (name, unit) = found.unwrap_or((name, None));
        self.0.encode_descriptor(name, help, unit, kind)
    }
}

fn pairs<'a, const LABELS: usize>(
    labels: Values<'a, LABELS>,
    values: Values<'a, LABELS>,
) -> [(&'a str, &'a str); LABELS] {
    std::array::from_fn(|index| (labels[index], values[index]))
}

/// The buckets of a histogram: their upper bounds in seconds, and how many each has. The last one has no bound.
pub(super) fn buckets(bounds: &[Duration], counts: &[u64]) -> Vec<(f64, u64)> {
    bounds.iter().map(Duration::as_secs_f64).chain([f64::INFINITY]).zip(counts.iter().copied()).collect()
}
