use std::time::Duration;

use super::{GATES, stages, summary};
use crate::counts::Counts;

fn verdict(gate: &str, counts: Counts) -> String {
    let gate = GATES.iter().find(|known| known.name == gate).unwrap();
    summary(gate, counts, Duration::from_millis(1500))
}

#[test]
fn a_summary_tells_what_became_of_a_gate() {
    for (passed, failed, ignored, expected) in
        [(3, 0, 0, " ok "), (3, 1, 0, " FAILED "), (0, 0, 0, " not run "), (0, 0, 2, " not run ")]
    {
        let line = verdict("js", Counts::new(passed, failed, ignored));
        assert!(line.starts_with("js ") && line.contains(expected) && line.contains(" 1.5 s"), "{line}");
    }
    assert!(verdict("js", Counts::new(3, 0, 0)).ends_with(" 1.5 s"));
    assert!(verdict("tests", Counts::new(3, 0, 2)).ends_with("  2 ignored"));
}

#[test]
fn a_green_gate_of_benches_says_that_times_are_not_judged() {
    assert!(verdict("bench", Counts::PASSED).ends_with("times are not judged"), "{}", verdict("bench", Counts::PASSED));
}

#[test]
fn the_sum_is_plain_text_alone_on_its_line() {
    assert_eq!(Counts::new(12, 3, 0).to_string(), "12 passed, 3 failed");
    assert_eq!(Counts::new(12, 3, 1).to_string(), "12 passed, 3 failed, 1 ignored");
}

#[test]
fn gates_that_wait_run_together_and_what_is_measured_runs_alone() {
    let stages: Vec<String> =
        stages(&GATES).map(|stage| stage.iter().map(|gate| gate.name).collect::<Vec<_>>().join(" ")).collect();
    assert!(stages.contains(&"java python printfactory smc prometheus".to_owned()), "{stages:?}");
    assert_eq!(stages.last().unwrap(), "bench");
    assert!(
        GATES.iter().all(|gate| !gate.waits || !["differential", "conformance"].contains(&gate.name)),
        "they judge by when a server is silent"
    );
}
