use std::time::Duration;

use serde_json::json;

use super::*;
use crate::compare::differences;

fn outcome(id: &str, wanted: &serde_json::Value, seen: &serde_json::Value) -> Outcome {
    let problem = |what| Problem { step: 2, kind: "ws.drain".to_owned(), what: Wrong::Differs(what) };
    let problems = differences(wanted, seen).into_iter().map(problem).collect();
    Outcome { id: id.to_owned(), title: format!("what <{id}> does"), problems, elapsed: Duration::from_millis(250) }
}

fn report() -> Report {
    let right = json!({"frames": []});
    let wrong = json!({"frames": [{"message": "a\u{1}\"<&>"}]});
    let outcomes = vec![outcome("ws/a", &right, &right), outcome("ws/b", &right, &wrong)];
    let families = vec![FamilyReport { name: "ws".to_owned(), outcomes, not_due: 3 }];
    Report { families, elapsed: Duration::from_millis(1_500) }
}

#[test]
fn ci_reads_each_scenario_as_a_test_case() {
    let xml = report().junit();
    assert!(xml.starts_with("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"SignalR conformance\" tests=\"5\" failures=\"1\""));
    assert!(
        xml.contains("<testsuite name=\"ws\" tests=\"5\" failures=\"1\" errors=\"0\" skipped=\"3\" time=\"0.500\">"),
        "{xml}"
    );
    assert!(xml.contains("<testcase name=\"ws/a\" classname=\"ws\" time=\"0.250\"/>"), "{xml}");
    assert!(xml.contains("<failure message=\"what &lt;ws/b&gt; does\">step 2 ws.drain: "), "{xml}");
    assert!(!xml.contains('\u{1}') && !xml.contains("<&>"), "{xml}");
}

#[test]
fn a_badge_is_green_only_if_every_scenario_passes() {
    let read = |report: &Report| serde_json::from_str::<serde_json::Value>(&report.summary()).unwrap();
    let mut report = report();
    let failed = read(&report);
    assert_eq!((&failed["message"], &failed["color"], &failed["failed"]), (&json!("1/5"), &json!("red"), &json!(1)));
    report.families[0].outcomes.pop();
    assert_eq!(read(&report)["color"], "yellow");
    report.families[0].not_due = 0;
    let whole = read(&report);
    assert_eq!(
        (&whole["message"], &whole["color"], &whole["schemaVersion"]),
        (&json!("1/1"), &json!("brightgreen"), &json!(1))
    );
}
