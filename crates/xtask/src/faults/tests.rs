use super::part::{Run, all, disk, simulation};
use super::report::Report;
use super::*;
use crate::command::Output;

fn read(line: &str) -> Option<Options> {
    Options::read(line.split_whitespace().map(str::to_owned))
}

fn output(text: &str, succeeded: bool) -> Output {
    Output { text: text.to_owned(), succeeded }
}

#[test]
fn the_command_line_says_what_is_run() {
    assert_eq!(read(""), Some(Options::default()));
    let expected = Options {
        kills: 3,
        seed: 7,
        only: vec!["syncs".to_owned()],
        list: true,
        release: true,
        previous: Some("a".into()),
    };
    assert_eq!(read("--seed 7 --kills 3 --only syncs --list --release --previous a"), Some(expected));
    for line in ["--kills", "--kills x", "--kills -1", "3", "--runs 3", "--only", "--previous"] {
        assert_eq!(read(line), None, "{line}");
    }
}

#[test]
fn parts_are_chosen_by_name_in_their_own_order() {
    let parts = all("redis-stopped\tRedis stops\nnode-killed\ta node is killed\n");
    let chosen = |line: &str| {
        let chosen = read(line).ok_or("not understood")?.choose(&parts)?;
        Ok::<_, String>(chosen.iter().map(|part| part.name.clone()).collect::<Vec<_>>().join(" "))
    };
    assert_eq!(chosen("").as_deref(), Ok("simulation history-tests server-killed syncs redis-stopped node-killed"));
    assert_eq!(chosen("--only node-killed --only syncs").as_deref(), Ok("syncs node-killed"));
    assert!(chosen("--only nothing").is_err());
}

#[test]
fn a_run_replaces_its_part_of_the_page_and_leaves_the_others() {
    let parts = all("node-killed\ta node is killed\n");
    let by_name = |name: &str| parts.iter().find(|part| part.name == name).expect("a part");
    let mut report = Report::read("# Fault report\n\nWords.\n\n## syncs\n\nold\n| a |\n\n## gone\n\nolder\n");
    report.put(by_name("node-killed"), "Run today", &Run { text: "| b |\n".to_owned(), succeeded: true });
    assert!(report.succeeded());
    let text = report.text(&parts);
    assert!(
        text.contains("| [syncs](#syncs) | nothing: how often the server waits for its disk | as it should be |\n"),
        "{text}"
    );
    assert!(
        text.ends_with(
            "\n## syncs\n\nold\n| a |\n\n## node-killed\n\nWhat fails: a node is killed.\n\nRun today.\n\n| b |\n"
        ),
        "{text}"
    );
    assert_eq!(Report::read(&text).text(&parts), text, "the page is read as it was written");
    report.put(by_name("syncs"), "Run today", &Run { text: "no".to_owned(), succeeded: false });
    assert!(!report.succeeded());
    assert!(report.text(&parts).contains("| FAILED |\n"));
}

#[test]
fn tests_are_listed_with_their_results() {
    let store = output(
        "test disk_log::tests::a_b ... ok\ntest names::tests::c ... ok\ntest child ... ok\ntest src/lib.rs - (line 8) ... ok\n",
        true,
    );
    let run = disk(&store, &output("# Subtest\n    ok 1 - c\n    ok 2 - d # SKIP cc is missing\nok 1 - suite\n", true));
    assert!(run.succeeded);
    assert!(run.text.ends_with("|---|---|\n| a b | ok |\n| c | ok |\n| d | not run |\n"), "{}", run.text);
    assert!(!disk(&store, &output("", false)).succeeded);
}

#[test]
fn a_simulation_without_a_sum_has_failed() {
    let run = simulation(&output("running 1 test\ntest a ... simulation of histories: runs=5 lost=0\n", true));
    assert!(run.succeeded && run.text.ends_with("\n| runs | lost |\n|---|---|\n| 5 | 0 |\n"), "{}", run.text);
    assert!(!simulation(&output("", true)).succeeded);
}
