//! A report for people.

use std::fmt;

use super::{Failure, Report};

/// From which number on digits are grouped.
const GROUPED: u64 = 10_000;

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { url, connections, protocol, transport, .. } = self;
        writeln!(
            f,
            "signalhub bench: {} connections ({protocol}, {transport}) to {url}",
            grouped(u64::from(*connections))
        )?;
        self.write_connections(f)?;
        self.write_deliveries(f)?;
        self.write_speed(f)?;
        self.write_this_side(f)?;
        self.write_verdict(f)
    }
}

impl Report {
    fn write_connections(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let connect = &self.connect;
        writeln!(
            f,
            "connect     {} in {:.1} s, {} failed, p50 {}  p99 {}",
            grouped(connect.connected),
            connect.seconds,
            grouped(connect.failed),
            ms(connect.p50_milliseconds),
            ms(connect.p99_milliseconds)
        )?;
        write_reasons(f, &connect.failures)?;
        let published = &self.published;
        writeln!(
            f,
            "published   {} of {} at {}/s, receipts p50 {}  p99 {}",
            grouped(published.accepted),
            grouped(published.planned),
            published.per_second.map_or("-".to_owned(), |rate| format!("{rate:.1}")),
            ms(published.receipt_p50_milliseconds),
            ms(published.receipt_p99_milliseconds)
        )?;
        write_reasons(f, &published.failures)
    }

    fn write_deliveries(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let delivered = &self.delivered;
        writeln!(
            f,
            "delivered   {} of {}     lost {}   doubled {}   out of order {}   late (> {} s) {}",
            grouped(delivered.delivered),
            grouped(delivered.expected),
            grouped(delivered.lost),
            grouped(delivered.doubled),
            grouped(delivered.out_of_order),
            delivered.late_after_seconds,
            grouped(delivered.late)
        )?;
        if delivered.misrouted > 0 {
            writeln!(f, "            {} came to another group than theirs", grouped(delivered.misrouted))?;
        }
        if self.ended.connections > 0 {
            let count = grouped(self.ended.connections);
            writeln!(f, "            {count} connections ended before the run did")?;
            write_reasons(f, &self.ended.reasons)?;
        }
        if let Some(slow) = &self.slow {
            writeln!(
                f,
                "slow        {} connections did not read and are not counted; the server ended {} of them",
                grouped(slow.connections),
                grouped(slow.ended_by_server)
            )?;
        }
        Ok(())
    }

    fn write_speed(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let latency = &self.latency;
        writeln!(
            f,
            "latency     p50 {}  p90 {}  p99 {}  p99.9 {}  max {}   (publish to arrival)",
            ms(latency.p50_milliseconds),
            ms(latency.p90_milliseconds),
            ms(latency.p99_milliseconds),
            ms(latency.p99_9_milliseconds),
            ms(latency.max_milliseconds)
        )?;
        let fairness = &self.fairness;
        writeln!(
            f,
            "fairness    slowest 1 % of connections: p99 {}      first to last receiver of an event: p50 {}  p99 {}",
            ms(fairness.slowest_1_percent_p99_milliseconds),
            ms(fairness.first_to_last_p50_milliseconds),
            ms(fairness.first_to_last_p99_milliseconds)
        )?;
        let throughput = &self.throughput;
        let matched = match (throughput.server_matched, throughput.server_matched_agrees) {
            (Some(matched), Some(true)) => format!("{} (agrees)", grouped(matched)),
            (Some(matched), _) => format!("{} (does not agree)", grouped(matched)),
            (None, _) => "not told by the server".to_owned(),
        };
        writeln!(
            f,
            "throughput  {} deliveries/s, {:.1} MB/s      server-side matched: {matched}",
            grouped(throughput.deliveries_per_second.round() as u64),
            throughput.megabytes_per_second
        )
    }

    fn write_this_side(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = &self.this_side;
        let unknown = || "unknown".to_owned();
        let cpu = side.cpu_percent.map_or_else(unknown, |percent| format!("{percent:.0} %"));
        let memory = side.resident_mebibytes.map_or_else(unknown, |mebibytes| format!("{mebibytes:.0} MiB"));
        let lag = ms(side.timer_lag_p99_milliseconds);
        write!(f, "this side   cpu {cpu}, {memory}, timer lag p99 {lag}      ")?;
        match side.warnings.as_slice() {
            [] => writeln!(f, "→ the generator was not the limit"),
            warnings => {
                writeln!(f, "→ the generator may have been the limit: {}", warnings.join("; "))?;
                writeln!(f, "            use a machine of its own for the generator, a lower rate or fewer connections")
            }
        }
    }

    /// Says what is missing, and why the run did not pass.
    fn write_verdict(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.interrupted {
            writeln!(f, "interrupted: only what was sent until then is counted")?;
        }
        for expectation in &self.expectations {
            let outcome = if expectation.met { "met" } else { "NOT MET" };
            writeln!(
                f,
                "expect      {}: {outcome} ({})",
                expectation.expectation,
                ms(expectation.measured_milliseconds)
            )?;
        }
        Ok(())
    }
}

fn write_reasons(f: &mut fmt::Formatter<'_>, reasons: &[Failure]) -> fmt::Result {
    reasons.iter().try_for_each(|Failure { count, reason }| writeln!(f, "            {} × {reason}", grouped(*count)))
}

/// Writes milliseconds with one digit behind the point, and small ones with a digit that says something.
fn ms(milliseconds: Option<f64>) -> String {
    match milliseconds {
        None => "-".to_owned(),
        Some(small) if small < 0.1 => format!("{small:.2} ms"),
        Some(milliseconds) => format!("{milliseconds:.1} ms"),
    }
}

/// Writes a number with a space between groups of three digits, if it is long.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    if number < GROUPED {
        return digits;
    }
    let first = digits.len() % 3;
    let mut groups = vec![&digits[..first]];
    groups.extend((first..digits.len()).step_by(3).map(|start| &digits[start..start + 3]));
    groups.retain(|group| !group.is_empty());
    groups.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_for_people() {
        for (number, text) in
            [(0, "0"), (3000, "3000"), (10_000, "10 000"), (100_000, "100 000"), (3_000_000, "3 000 000")]
        {
            assert_eq!(grouped(number), text);
        }
        assert_eq!((ms(Some(7.66)).as_str(), ms(Some(0.034)).as_str(), ms(None).as_str()), ("7.7 ms", "0.03 ms", "-"));
    }
}
