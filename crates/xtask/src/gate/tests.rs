use std::time::Duration;

use super::summary;
use crate::counts::Counts;

#[test]
fn a_summary_tells_what_became_of_a_gate() {
    let verdict = |passed, failed| summary("js", Counts { passed, failed }, Duration::from_millis(1500));
    assert!(verdict(3, 0).contains(" ok "), "{}", verdict(3, 0));
    assert!(verdict(3, 1).contains(" FAILED "), "{}", verdict(3, 1));
    assert!(verdict(0, 0).contains(" not run "), "{}", verdict(0, 0));
    assert!(verdict(3, 0).ends_with(" 1.5 s"), "{}", verdict(3, 0));
}

#[test]
fn the_sum_is_plain_text_alone_on_its_line() {
    assert_eq!(Counts { passed: 12, failed: 3 }.to_string(), "12 passed, 3 failed");
}
