use super::report::Report;
use super::*;
use crate::command::Output;

#[test]
fn the_size_of_the_kill_suite_is_read() {
    let read = |line: &str| Options::read(line.split_whitespace().map(str::to_owned));
    assert_eq!(read(""), Some(Options { kills: 30, seed: 20 }));
    assert_eq!(read("--seed 7 --kills 3"), Some(Options { kills: 3, seed: 7 }));
    for line in ["--kills", "--kills x", "--kills -1", "3", "--runs 3"] {
        assert_eq!(read(line), None, "{line}");
    }
}

#[test]
fn a_part_that_fails_fails_the_report() {
    let output = |text: &str, succeeded| Output { text: text.to_owned(), succeeded };
    let mut report = Report::new(&Options { kills: 3, seed: 7 });
    report.simulation(&output("running 1 test\ntest a ... simulation of histories: runs=5 lost=0\n", true));
    let store = output(
        "test disk_log::tests::a_b ... ok\ntest names::tests::c ... ok\ntest child ... ok\ntest src/lib.rs - (line 8) ... ok\n",
        true,
    );
    report.disk(&store, &output("# Subtest\n    ok 1 - c\n    ok 2 - d # SKIP cc is missing\nok 1 - suite\n", true));
    assert!(report.succeeded());
    assert!(report.text().contains("\n| runs | lost |\n|---|---|\n| 5 | 0 |\n"), "{}", report.text());
    assert!(report.text().ends_with("|---|---|\n| a b | ok |\n| c | ok |\n| d | not run |\n"), "{}", report.text());
    report.kills(&output("| a | b |", false), &["the Java client"]);
    assert!(!report.succeeded());
    assert!(report.text().ends_with("| a | b |\n\nNot run: the Java client.\n"), "{}", report.text());
    assert!(report.text().contains("**FAILED**"), "{}", report.text());
}

#[test]
fn a_simulation_without_a_total_fails_the_report() {
    let mut report = Report::new(&Options { kills: 3, seed: 7 });
    report.simulation(&Output { text: String::new(), succeeded: true });
    assert!(!report.succeeded());
}
