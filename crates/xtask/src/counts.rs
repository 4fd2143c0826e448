//! How many test cases passed and failed, as the tools that run them say it.

use std::fmt;
use std::ops::AddAssign;

/// How many test cases passed and failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
}

impl Counts {
    /// One case that passed: a gate that has no cases of its own.
    pub(crate) const PASSED: Self = Self { passed: 1, failed: 0 };

    /// One case that failed.
    pub(crate) const FAILED: Self = Self { passed: 0, failed: 1 };

    /// Reads the result of one test binary: `test result: ok. 3 passed; 0 failed; …`.
    pub(crate) fn of_cargo(line: &str) -> Option<Self> {
        let (_, counts) = line.strip_prefix("test result: ")?.split_once(". ")?;
        let mut parts = counts.split("; ");
        Some(Self { passed: before(parts.next()?, " passed")?, failed: before(parts.next()?, " failed")? })
    }

    /// Reads a line of the summary of Node's test runner, whose reporters begin it with `ℹ` or `#`: `# pass 3`.
    ///
    /// A cancelled test is one that did not come to its end, which is a failure.
    pub(crate) fn of_node(line: &str) -> Option<Self> {
        let line = line.strip_prefix("# ").or_else(|| line.strip_prefix("ℹ "))?;
        let (word, number) = line.split_once(' ')?;
        let number = number.trim_end().parse().ok()?;
        match word {
            "pass" => Some(Self { passed: number, failed: 0 }),
            "fail" | "cancelled" => Some(Self { passed: 0, failed: number }),
            _ => None,
        }
    }

    /// Reads the sum of the conformance suite: `3 passed, 0 failed, 2 not due in 1.0 s`.
    pub(crate) fn of_conformance(line: &str) -> Option<Self> {
        let mut parts = line.split(", ");
        let counts = Self { passed: before(parts.next()?, " passed")?, failed: before(parts.next()?, " failed")? };
        parts.next()?.contains("not due").then_some(counts)
    }

    /// Reads the sum of a client's program, or of a comparison: `3 passed, 0 failed`.
    pub(crate) fn of_clients(line: &str) -> Option<Self> {
        let (passed, failed) = line.split_once(", ")?;
        Some(Self { passed: before(passed, " passed")?, failed: before(failed, " failed")? })
    }
}

fn before(text: &str, word: &str) -> Option<u64> {
    text.strip_suffix(word)?.parse().ok()
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)
    }
}

#[cfg(test)]
mod tests;
