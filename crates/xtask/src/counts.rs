//! How many test cases passed, failed and were left out, as the tools that run them say it.

use std::fmt;
use std::ops::AddAssign;

/// How many test cases passed, failed and were left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    /// Those that were ignored or skipped.
    pub(crate) ignored: u64,
}

impl Counts {
    /// One case that passed: a gate that has no cases of its own.
    pub(crate) const PASSED: Self = Self::new(1, 0, 0);

    /// One case that failed.
    pub(crate) const FAILED: Self = Self::new(0, 1, 0);

    pub(crate) const fn new(passed: u64, failed: u64, ignored: u64) -> Self {
        Self { passed, failed, ignored }
    }

    /// Tells whether no case was run: the gate could not do its work here.
    pub(crate) fn is_empty(self) -> bool {
        self.passed == 0 && self.failed == 0
    }

    /// Reads the result of one test binary: `test result: ok. 3 passed; 0 failed; 1 ignored; …`.
    pub(crate) fn of_cargo(line: &str) -> Option<Self> {
        let (_, counts) = line.strip_prefix("test result: ")?.split_once(". ")?;
        let mut parts = counts.split("; ");
        let (passed, failed) = (before(parts.next()?, " passed")?, before(parts.next()?, " failed")?);
        Some(Self::new(passed, failed, before(parts.next()?, " ignored")?))
    }

    /// Reads a line of the summary of Node's test runner, whose reporters begin it with `ℹ` or `#`: `# pass 3`.
    ///
    /// A cancelled test is one that did not come to its end, which is a failure.
    pub(crate) fn of_node(line: &str) -> Option<Self> {
        let line = line.strip_prefix("# ").or_else(|| line.strip_prefix("ℹ "))?;
        let (word, number) = line.split_once(' ')?;
        let number = number.trim_end().parse().ok()?;
        match word {
            "pass" => Some(Self::new(number, 0, 0)),
            "fail" | "cancelled" => Some(Self::new(0, number, 0)),
            "skipped" | "todo" => Some(Self::new(0, 0, number)),
            _ => None,
        }
    }

    /// Reads the sum of the conformance suite: `3 passed, 0 failed, 2 not due in 1.0 s`.
    pub(crate) fn of_conformance(line: &str) -> Option<Self> {
        let mut parts = line.split(", ");
        let counts = Self::new(before(parts.next()?, " passed")?, before(parts.next()?, " failed")?, 0);
        parts.next()?.contains("not due").then_some(counts)
    }

    /// Reads the sum of a client's program, or of a comparison: `3 passed, 0 failed`.
    pub(crate) fn of_clients(line: &str) -> Option<Self> {
        let (passed, failed) = line.split_once(", ")?;
        Some(Self::new(before(passed, " passed")?, before(failed, " failed")?, 0))
    }

    /// Reads a sum as it is displayed.
    pub(crate) fn of_gate(line: &str) -> Option<Self> {
        let mut parts = line.split(", ");
        let (passed, failed) = (before(parts.next()?, " passed")?, before(parts.next()?, " failed")?);
        let ignored = parts.next().map_or(Some(0), |part| before(part, " ignored"))?;
        parts.next().is_none().then_some(Self::new(passed, failed, ignored))
    }
}

fn before(text: &str, word: &str) -> Option<u64> {
    text.strip_suffix(word)?.parse().ok()
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.ignored += other.ignored;
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)?;
        match self.ignored {
            0 => Ok(()),
            ignored => write!(f, ", {ignored} ignored"),
        }
    }
}

#[cfg(test)]
mod tests;
