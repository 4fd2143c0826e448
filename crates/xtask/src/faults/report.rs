//! The page that runs are written to.

use std::collections::BTreeMap;

use super::part::{Part, Run};

/// The page. Parts that are not run again stay as they are.
pub(crate) struct Report {
    /// What stands below the heading of each part.
    parts: BTreeMap<String, String>,
    succeeded: bool,
}

/// What a part begins with that was not as it should be.
const FAILED: &str = "**FAILED**";

impl Report {
    /// Reads the page as it was written before.
    pub(crate) fn read(page: &str) -> Self {
        let parts = page.split("\n## ").skip(1).filter_map(|part| part.split_once('\n'));
        let parts = parts.map(|(heading, text)| (heading.trim().to_owned(), text.trim().to_owned())).collect();
        Self { parts, succeeded: true }
    }

    /// Puts a run of a part in the place of an earlier one. `about` says when and how it was run.
    pub(crate) fn put(&mut self, part: &Part, about: &str, run: &Run) {
        self.succeeded &= run.succeeded;
        let failed = if run.succeeded { String::new() } else { format!("{FAILED}\n\n") };
        let text = format!("{failed}What fails: {}.\n\n{about}.\n\n{}", part.claim, run.text.trim());
        self.parts.insert(part.name.clone(), text);
    }

    /// The page, with these parts in their order. Others, which do not exist any more, are left out.
    pub(crate) fn text(&self, parts: &[Part]) -> String {
        let known = || parts.iter().filter_map(|part| Some((part, self.parts.get(&part.name)?)));
        let mut text = INTRODUCTION.to_owned();
        for (part, found) in known() {
            let Part { name, claim, .. } = part;
            text.push_str(&format!("| [{name}](#{name}) | {claim} | {} |\n", result(found)));
        }
        for (part, found) in known() {
            text.push_str(&format!("\n## {}\n\n{found}\n", part.name));
        }
        text
    }

    /// Whether all that was run now was as it should be.
    pub(crate) fn succeeded(&self) -> bool {
        self.succeeded
    }
}

fn result(text: &str) -> &'static str {
    match text {
        _ if text.starts_with(FAILED) => "FAILED",
        _ if !text.contains("\n| ") => "not run",
        _ => "as it should be",
    }
}

const INTRODUCTION: &str = "\
# Fault report

What happened when processes were killed, connections cut, disks failed and power was lost. `cargo xtask faults` writes this page: `--list` lists the
parts, `--only NAME` runs one again, which replaces it here. [history.md](history.md) and [cluster.md](cluster.md) tell what is promised.

In the parts that have a table of clients, eight publishers publish numbered events of four names, to all nodes in turn, and repeat what is not
answered, or answered with 503, with the same idempotency key. The clients use the wrappers of `examples/resuming`, and reach three nodes through an nginx that
gives each request to the next node; two nodes in a rolling upgrade, and one server where there is no cluster. Meanwhile something fails and comes back, at
moments that follow from the seed. Each event that was answered with 202 and matches is *owed*: it is *delivered* once and in order, or lies *in a gap* that the client was told
of, or is *lost*. Where Redis loses nothing, no gap may be told either. *Again after a gap* are events whose publisher had no answer: published again in a new epoch,
they may come on both sides of its gap.

| name | what fails | result |
|---|---|---|
";
