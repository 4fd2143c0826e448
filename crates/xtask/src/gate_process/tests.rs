use super::counts;
use crate::counts::Counts;
use crate::output::Lines;

#[test]
fn the_last_counts_of_a_gate_are_its_result() {
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Lines>();
    let printed = lines("=== js\n7 passed, 0 failed\n\njs  ok\n9 passed, 0 failed, 1 ignored\n");
    assert_eq!(counts(&printed, true), Counts::new(9, 0, 1));
    // It printed success and exited with a failure, or printed nothing.
    assert_eq!(counts(&printed, false), Counts::FAILED);
    assert_eq!(counts(&lines("error: it does not compile"), false), Counts::FAILED);
    assert_eq!(counts(&lines("0 passed, 0 failed"), true), Counts::default());
}
