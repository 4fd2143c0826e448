//! The report as JUnit XML, which CI systems read.

use std::fmt::Write;

use super::{FamilyReport, Outcome, Report};

/// Writes one `testsuite` for each family and one `testcase` for each scenario. Scenarios that are not due are only counted, as skipped.
pub(super) fn write(report: &Report) -> String {
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let ran: usize = report.families.iter().map(|family| family.outcomes.len()).sum();
    let (failed, skipped, seconds) = (report.failed(), report.not_due(), report.elapsed.as_secs_f64());
    let tests = ran + skipped;
    let _ = writeln!(
        xml,
        "<testsuites name=\"SignalR conformance\" tests=\"{tests}\" failures=\"{failed}\" errors=\"0\" skipped=\"{skipped}\" time=\"{seconds:.3}\">"
    );
    report.families.iter().for_each(|family| write_family(&mut xml, family));
    xml.push_str("</testsuites>\n");
    xml
}

fn write_family(xml: &mut String, family: &FamilyReport) {
    let (tests, failed, skipped) = (family.outcomes.len() + family.not_due, family.failed(), family.not_due);
    let seconds: f64 = family.outcomes.iter().map(|outcome| outcome.elapsed.as_secs_f64()).sum();
    let name = escape(&family.name);
    let _ = writeln!(
        xml,
        "  <testsuite name=\"{name}\" tests=\"{tests}\" failures=\"{failed}\" errors=\"0\" skipped=\"{skipped}\" time=\"{seconds:.3}\">"
    );
    family.outcomes.iter().for_each(|outcome| write_outcome(xml, &family.name, outcome));
    xml.push_str("  </testsuite>\n");
}

fn write_outcome(xml: &mut String, family: &str, outcome: &Outcome) {
    let (id, family, seconds) = (escape(&outcome.id), escape(family), outcome.elapsed.as_secs_f64());
    let _ = write!(xml, "    <testcase name=\"{id}\" classname=\"{family}\" time=\"{seconds:.3}\"");
    if outcome.problems.is_empty() {
        xml.push_str("/>\n");
        return;
    }
    let title = escape(&outcome.title);
    let problems: Vec<_> = outcome.problems.iter().map(ToString::to_string).collect();
    let text = escape(&problems.join("\n"));
    let _ = writeln!(xml, ">\n      <failure message=\"{title}\">{text}</failure>\n    </testcase>");
}

/// Escapes what XML reads as markup, and replaces what it cannot contain.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            // Attributes would lose line breaks.
            '\n' => escaped.push_str("&#10;"),
            '\t' | '\r' => escaped.push(' '),
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            _ => escaped.push(character),
        }
    }
    escaped
}
