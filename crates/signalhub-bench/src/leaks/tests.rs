use super::*;

fn moment(resident: u64, cpu: u64) -> Moment {
    let (user, system) = (Duration::from_secs(cpu), Duration::ZERO);
    let vitals = Vitals { resident: resident << 20, threads: 3, descriptors: 12, sockets: 4, user, system };
    Moment { vitals, holdings: Holdings { connections: 0, subscriptions: 0, tasks: 9 } }
}

fn outcome(end: Moment) -> Outcome {
    Outcome {
        connections: 1000,
        concurrency: 64,
        failed: 0,
        first_failure: None,
        took: Duration::from_secs(2),
        idle: 11 << 10,
        start: moment(10, 1),
        warm: moment(20, 1),
        end,
    }
}

#[test]
fn what_was_kept_is_a_problem() {
    let check = |end: Moment, problems: &[&str]| assert_eq!(outcome(end).problems(), problems);
    check(moment(28, 2), &[]);
    check(moment(29, 2), &["the resident memory grew by 9.0 MiB"]);
    check(moment(1, 2), &[]);
    let mut left = moment(20, 2);
    left.vitals.sockets = 5;
    left.holdings = Holdings { connections: 1, subscriptions: 2, tasks: 12 };
    let problems =
        ["1 connections are left", "2 subscriptions are left", "3 tasks are left", "1 open sockets are left"];
    check(left, &problems);
    let mut heavy = outcome(moment(20, 2));
    heavy.idle = (20 << 10) + 512;
    assert_eq!(heavy.problems(), ["an idle connection takes 20.5 KiB"]);
}

#[test]
fn the_table_is_for_people() {
    let table = outcome(moment(21, 2)).to_string();
    assert_eq!(
        table.lines().collect::<Vec<_>>(),
        [
            "connections         1000, 0 of them failed",
            "rate                500/s, 64 at a time, 2.0s in all",
            "server's CPU        1ms each",
            "idle connections    11.0 KiB each, 500 of them",
            "",
            "                        at start        warm  at the end",
            "resident memory         10.0 MiB    20.0 MiB    21.0 MiB",
            "connections                    0           0           0",
            "subscriptions                  0           0           0",
            "tasks                          9           9           9",
            "open sockets                   4           4           4",
            "open descriptors              12          12          12",
            "threads                        3           3           3",
        ]
    );
}
