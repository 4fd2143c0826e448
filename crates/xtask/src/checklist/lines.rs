//! What files say that a release depends on.

use std::fmt;

use serde_json::Value;

/// A changelog in the format of Keep a Changelog.
pub(super) struct Changelog<'a>(pub(super) &'a str);

impl Changelog<'_> {
    /// Tells whether it has this version with a date, and nothing that is not released.
    pub(super) fn describes(&self, version: &str) -> Result<String, String> {
        let heading = format!("## [{version}]");
        let Some(line) = self.0.lines().find(|line| line.starts_with(&heading)) else {
            return Err(format!("there is no {heading}"));
        };
        let date = line[heading.len()..].strip_prefix(" - ").unwrap_or_default();
        if !is_date(date) {
            return Err(format!("\"{line}\" has no date such as {heading} - 2026-01-31"));
        }
        let unreleased =
            self.0.split_once("## [Unreleased]\n").map(|(_, rest)| rest.split("\n## ").next().unwrap_or(rest));
        match unreleased.map(str::trim) {
            None | Some("") => Ok(format!("{version} of {date}")),
            Some(_) => Err(format!("there are unreleased changes beside {version}")),
        }
    }
}

/// The first date of a report, such as 2026-01-31.
pub(super) fn report_date(text: &str) -> Option<String> {
    text.split(|letter: char| !letter.is_ascii_digit() && letter != '-').find(|word| is_date(word)).map(str::to_owned)
}

fn is_date(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    matches!(parts[..], [year, month, day] if year.len() == 4 && month.len() == 2 && day.len() == 2)
        && parts.into_iter().all(digits)
}

/// The dependencies that are packages of ours, with their versions. One without a version has an empty one.
pub(super) fn inner_versions(manifest: &str) -> Vec<(String, String)> {
    let inner = manifest.lines().filter(|line| line.contains("path = \""));
    let pair = |line: &str| {
        let name = line.split(" = ").next()?.to_owned();
        let version = line.split_once("version = \"").and_then(|(_, rest)| rest.split('"').next());
        Some((name, version.unwrap_or_default().to_owned()))
    };
    inner.filter_map(pair).collect()
}

/// A version of Rust.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct RustVersion {
    major: u32,
    minor: u32,
    patch: u32,
}

impl RustVersion {
    fn read(text: &str) -> Option<Self> {
        let mut numbers = text.split('.').map(|number| number.parse().ok());
        let (major, minor) = (numbers.next()??, numbers.next().flatten().unwrap_or(0));
        Some(Self { major, minor, patch: numbers.next().flatten().unwrap_or(0) })
    }

    /// What rustup calls it.
    pub(super) fn toolchain(self) -> String {
        format!("{}.{}.{}", self.major, self.minor, self.patch)
    }
}

impl fmt::Display for RustVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// The Rust that our packages require, and the newest that a dependency requires.
pub(super) fn required_versions(metadata: &Value) -> (RustVersion, RustVersion) {
    let (mut ours, mut newest) = (RustVersion::default(), RustVersion::default());
    for package in metadata["packages"].as_array().into_iter().flatten() {
        let version = package["rust_version"].as_str().and_then(RustVersion::read).unwrap_or_default();
        let whose = if package["source"].is_null() { &mut ours } else { &mut newest };
        *whose = version.max(*whose);
    }
    (ours, newest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changelog_has_the_version_its_date_and_nothing_else() {
        let describes = |text: &str| Changelog(text).describes("0.1.0");
        let released = "# Changelog\n\n## [Unreleased]\n\n## [0.1.0] - 2026-01-31\n\n### Added\n\n- x\n";
        assert_eq!(describes(released), Ok("0.1.0 of 2026-01-31".to_owned()));
        for (from, to) in [("2026-01-31", "soon"), ("0.1.0", "0.2.0"), ("d]\n", "d]\n\n### Added\n\n- y\n")] {
            assert!(describes(&released.replace(from, to)).is_err(), "{to}");
        }
    }

    #[test]
    fn dates_and_versions_are_found() {
        assert_eq!(report_date("made on 2026-11-28, by 1-2").as_deref(), Some("2026-11-28"));
        assert_eq!(report_date("no date 26-1-1"), None);
        let manifest = "a = { version = \"0.1.0\", path = \"a\" }\nb = { path = \"b\" }\nc = \"1\"\n";
        let pair = |name: &str, version: &str| (name.to_owned(), version.to_owned());
        assert_eq!(inner_versions(manifest), [pair("a", "0.1.0"), pair("b", "")]);
    }

    #[test]
    fn the_newest_required_rust_is_found() {
        let metadata = serde_json::json!({"packages": [
            {"source": null, "rust_version": "1.89"},
            {"source": "registry", "rust_version": "1.9.1"},
            {"source": "registry", "rust_version": "1.89.0"},
            {"source": "registry", "rust_version": null},
        ]});
        let (ours, newest) = required_versions(&metadata);
        assert_eq!((ours, newest.toolchain()), (newest, "1.89.0".to_owned()));
        assert!(RustVersion::read("1.90") > Some(ours));
    }
}
