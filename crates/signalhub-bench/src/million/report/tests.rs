use super::*;

fn moment() -> Cpu {
    Cpu { wall: 2.0, nodes: 1.0, generators: 0.5, redis: 0.1, machine: 2.0 }
}

fn delivery(reached: usize, wrong: usize) -> Delivery {
    let round = Round { reached, wrong, arrivals: vec![(1_500, 98), (1_700, 1), (1_900, 1)], last: 1_900_500 };
    Delivery::new(&[round, Round::default()], Duration::from_secs(1), Duration::from_millis(2), moment())
}

fn outcome() -> Outcome {
    Outcome {
        asked: 100,
        nodes: 2,
        counted: [100, 100],
        status: Status { held: 100, ..Status::default() },
        chosen: 10,
        opened: Opened { held: 100, limit: Limit::None, cpu: moment() },
        idle: Idle { keep_alive: 15, pings_of_nodes: 10, pings_of_clients: 10, cpu: moment() },
        taken: Taken {
            nodes: 3.5 * 1024.0,
            generators: 100.0,
            kernel: 9.0 * 1024.0,
            slab: 8.0 * 1024.0,
            empty_node: 1024.0 * 1024.0,
            redis: 1 << 20,
            available: [2 << 20, 1 << 20],
        },
        to_all: vec![delivery(100, 0)],
        to_chosen: vec![delivery(10, 0)],
    }
}

#[test]
fn times_are_since_the_publish() {
    let Delivery { receipt, p50, p99, last, .. } = delivery(100, 0);
    let milliseconds = |seconds: f64| (seconds * 1e4).round() / 10.0;
    assert_eq!([receipt, p50, p99, last].map(milliseconds), [2.0, 501.0, 701.0, 900.5]);
}

#[test]
fn what_is_not_as_it_should_be_is_a_problem() {
    let check = |change: fn(&mut Outcome), problems: &[&str]| {
        let mut outcome = outcome();
        change(&mut outcome);
        assert_eq!(outcome.problems(), problems);
    };
    check(|_| (), &[]);
    check(|outcome| outcome.opened.limit = Limit::Memory, &[]);
    check(|outcome| outcome.opened.limit = Limit::Time, &["only 100 of 100 connections were accepted"]);
    check(|outcome| outcome.counted[1] = 99, &["the nodes counted 100 connections and 99 subscriptions"]);
    let lost = "1 connections were lost and 0 not opened; the first problem: reset";
    check(|outcome| (outcome.status.lost, outcome.status.first_problem) = (1, Some("reset".to_owned())), &[lost]);
    check(|outcome| outcome.to_all[0] = delivery(99, 1), &["an event reached 99 of 100 connections once, 1 wrongly"]);
    check(|outcome| outcome.to_chosen[0] = delivery(10, 1), &["an event reached 10 of 10 connections once, 1 wrongly"]);
}

#[test]
fn the_table_has_memory_for_each_connection() {
    let table = table(&outcome());
    let row = |name: &str| table.lines().find(|line| line.contains(name)).unwrap_or_default().to_owned();
    assert!(row("memory of the nodes").contains("|  3.50 |"), "{table}");
    assert!(row("memory of the kernel").contains("in slabs 8.00"), "{table}");
    assert!(row("opened and subscribed").contains("|  50.0 |"), "{table}");
}
