//! What a run must reach: `p99<50ms`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A limit of the latency, from publish to arrival.
#[derive(Debug, Clone, PartialEq)]
pub struct Expectation {
    text: String,
    /// The percentile, from 0 to 100; 100 is the maximum.
    pub(crate) percentile: f64,
    /// What the percentile must be below.
    pub(crate) below: Duration,
}

/// A text is no expectation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a percentile and a time, such as p99<50ms, p99.9<1s or max<2s")]
pub struct ParseExpectationError;

impl FromStr for Expectation {
    type Err = ParseExpectationError;

    fn from_str(text: &str) -> Result<Self, ParseExpectationError> {
        let (what, below) = text.split_once('<').ok_or(ParseExpectationError)?;
        let (what, below) = (what.trim(), below.trim());
        let percentile = match what.strip_prefix('p') {
            Some(number) => number.parse().map_err(|_| ParseExpectationError)?,
            None if what == "max" => 100.0,
            None => return Err(ParseExpectationError),
        };
        let below = time(below).filter(|time| !time.is_zero()).ok_or(ParseExpectationError)?;
        if !(percentile > 0.0 && percentile <= 100.0) {
            return Err(ParseExpectationError);
        }
        Ok(Self { text: format!("{what}<{}", text.split_once('<').unwrap_or_default().1.trim()), percentile, below })
    }
}

fn time(text: &str) -> Option<Duration> {
    let units = [("us", 1e-6), ("µs", 1e-6), ("ms", 1e-3), ("s", 1.0)];
    let (number, unit) = units.into_iter().find_map(|(name, unit)| Some((text.strip_suffix(name)?, unit)))?;
    let plain = number.starts_with(|first: char| first.is_ascii_digit());
    Duration::try_from_secs_f64(number.parse::<f64>().ok().filter(|_| plain)? * unit).ok()
}

impl fmt::Display for Expectation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_and_a_time_are_read() {
        for (text, percentile, micros, shown) in [
            ("p99<50ms", 99.0, 50_000, "p99<50ms"),
            ("p99.9 < 1.5s", 99.9, 1_500_000, "p99.9<1.5s"),
            ("max<2s", 100.0, 2_000_000, "max<2s"),
            ("p50<800us", 50.0, 800, "p50<800us"),
        ] {
            let read: Expectation = text.parse().unwrap();
            assert_eq!((read.percentile, read.below), (percentile, Duration::from_micros(micros)), "{text}");
            assert_eq!(read.to_string(), shown);
        }
        for text in [
            "", "p99", "p99<", "p99<50", "p0<1s", "p101<1s", "pNaN<1s", "q99<1s", "p99>50ms", "p99<-1s", "p99<0ms",
            "p99<infs",
        ] {
            assert_eq!(text.parse::<Expectation>(), Err(ParseExpectationError), "{text}");
        }
    }
}
