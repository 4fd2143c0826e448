use super::*;

fn outcome(end: Vitals) -> Outcome {
    let warm = Vitals { resident: 20 << 20, threads: 3, descriptors: 12, sockets: 4, cpu: Duration::from_secs(1) };
    Outcome {
        connections: 1000,
        concurrency: 64,
        failed: 0,
        first_failure: None,
        took: Duration::from_secs(2),
        start: Vitals { resident: 10 << 20, ..warm.clone() },
        warm,
        end,
    }
}

#[test]
fn what_was_kept_is_a_problem() {
    let good = Vitals { resident: 28 << 20, threads: 3, descriptors: 12, sockets: 4, cpu: Duration::from_secs(2) };
    let check = |end: Vitals, problems: &[&str]| assert_eq!(outcome(end).problems(), problems);
    check(good.clone(), &[]);
    check(Vitals { sockets: 5, ..good.clone() }, &["1 sockets are still open"]);
    check(Vitals { resident: 29 << 20, ..good.clone() }, &["the resident memory grew by 9.0 MiB"]);
    check(Vitals { resident: 1 << 20, ..good }, &[]);
}

#[test]
fn the_table_is_for_people() {
    let end = Vitals { resident: 21 << 20, threads: 3, descriptors: 12, sockets: 4, cpu: Duration::from_secs(2) };
    let table = outcome(end).to_string();
    assert_eq!(
        table.lines().collect::<Vec<_>>(),
        [
            "connections         1000, 0 of them failed",
            "rate                500/s, 64 at a time, 2.0s in all",
            "server's CPU        1ms each",
            "",
            "                        at start        warm  at the end",
            "resident memory         10.0 MiB    20.0 MiB    21.0 MiB",
            "open sockets                   4           4           4",
            "open descriptors              12          12          12",
            "threads                        3           3           3",
        ]
    );
}
