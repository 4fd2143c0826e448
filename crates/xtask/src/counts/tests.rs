use super::Counts;

fn counts(passed: u64, failed: u64) -> Option<Counts> {
    Some(Counts::new(passed, failed, 0))
}

#[test]
fn results_of_cargo_are_counted() {
    let ok = "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.02s";
    let bad = "test result: FAILED. 11 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.02s";
    assert_eq!(Counts::of_cargo(ok), Some(Counts::new(12, 0, 1)));
    assert_eq!(Counts::of_cargo(bad), counts(11, 1));
    assert_eq!(Counts::of_cargo("test tests::result ... ok"), None);
}

#[test]
fn summaries_of_node_are_counted() {
    assert_eq!(Counts::of_node("ℹ pass 77"), counts(77, 0));
    assert_eq!(Counts::of_node("# fail 4"), counts(0, 4));
    assert_eq!(Counts::of_node("ℹ cancelled 1"), counts(0, 1));
    assert_eq!(Counts::of_node("ℹ skipped 2"), Some(Counts::new(0, 0, 2)));
    for line in ["ℹ tests 81", "# Subtest: pass 3", "ℹ the newest 10.x is 10.0.11 too", "pass 3"] {
        assert_eq!(Counts::of_node(line), None, "{line}");
    }
}

#[test]
fn sums_of_the_conformance_suite_are_counted() {
    let sum = "130 passed, 2 failed, 216 not due in 21.3 s";
    let family = "ws          130 passed    2 failed  216 not due   slowest   4.0 s";
    assert_eq!(Counts::of_conformance(sum), counts(130, 2));
    assert_eq!(Counts::of_conformance(family), None);
}

#[test]
fn a_sum_is_read_as_it_is_displayed() {
    for sum in [Counts::new(3, 1, 0), Counts::new(0, 0, 7), Counts::default()] {
        assert_eq!(Counts::of_gate(&sum.to_string()), Some(sum));
    }
    for line in ["3 passed", "3 passed, 1 failed, 2 not due in 1.0 s", "ok: 3 passed, 1 failed"] {
        assert_eq!(Counts::of_gate(line), None, "{line}");
    }
}

#[test]
fn sums_of_clients_are_counted() {
    assert_eq!(Counts::of_clients("20 passed, 1 failed"), counts(20, 1));
    for line in ["ok json: 20 passed, 1 failed", "130 passed, 2 failed, 216 not due in 21.3 s", "passed, failed"] {
        assert_eq!(Counts::of_clients(line), None, "{line}");
    }
}
