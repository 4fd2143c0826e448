use super::*;

/// A report of a run in which all went well, with the figures of the page about load testing.
fn good() -> Report {
    Report {
        url: "https://hub.example.com/signalr/v1/mainHub".to_owned(),
        connections: 1000,
        protocol: "json",
        transport: "web_sockets",
        connect: Connect {
            connected: 1000,
            failed: 0,
            seconds: 5.0,
            p50_milliseconds: Some(3.1),
            p99_milliseconds: Some(11.8),
            failures: Vec::new(),
        },
        published: Published {
            accepted: 3000,
            planned: 3000,
            per_second: Some(100.0),
            receipt_p50_milliseconds: Some(0.6),
            receipt_p99_milliseconds: Some(2.2),
            failures: Vec::new(),
        },
        delivered: Delivered {
            delivered: 3_000_000,
            expected: 3_000_000,
            lost: 0,
            doubled: 0,
            out_of_order: 0,
            late: 0,
            late_after_seconds: 1.0,
            misrouted: 0,
        },
        latency: Latency {
            p50_milliseconds: Some(2.4),
            p90_milliseconds: Some(4.9),
            p99_milliseconds: Some(7.7),
            p99_9_milliseconds: Some(12.0),
            max_milliseconds: Some(19.3),
        },
        fairness: Fairness {
            slowest_1_percent_p99_milliseconds: Some(8.9),
            first_to_last_p50_milliseconds: Some(1.2),
            first_to_last_p99_milliseconds: Some(5.0),
        },
        throughput: Throughput {
            deliveries_per_second: 100_000.0,
            megabytes_per_second: 31.2,
            server_matched: Some(3_000_000),
            server_matched_agrees: Some(true),
        },
        this_side: ThisSide {
            cpu_percent: Some(38.0),
            machine_cpu_percent: Some(60.0),
            resident_mebibytes: Some(210.0),
            timer_lag_p99_milliseconds: Some(0.3),
            warnings: Vec::new(),
        },
        slow: None,
        ended: Ended { connections: 0, reasons: Vec::new() },
        interrupted: false,
        expectations: vec![Met { expectation: "p99<50ms".to_owned(), measured_milliseconds: Some(7.7), met: true }],
        problems: Vec::new(),
    }
}

#[test]
fn the_page_about_load_testing_shows_what_is_printed() {
    let page = include_str!("../../../../docs/load-testing.md");
    let printed = good().to_string();
    assert!(page.contains(&printed), "{printed}");
}

#[test]
fn each_thing_that_is_wrong_is_a_problem() {
    assert_eq!(good().judge(), Vec::<String>::new());
    let failure = || Failure { count: 2, reason: "a reason".to_owned() };
    let check = |change: &dyn Fn(&mut Report), expected: &str| {
        let mut report = good();
        change(&mut report);
        assert_eq!(report.judge(), [expected]);
    };
    check(&|report| report.delivered.lost = 1, "1 deliveries were lost");
    check(&|report| report.delivered.doubled = 1, "1 deliveries were doubled");
    check(&|report| report.delivered.out_of_order = 1, "1 deliveries were out of order");
    check(&|report| report.delivered.late = 1, "1 deliveries were late");
    check(&|report| report.delivered.misrouted = 1, "1 deliveries came to another group than theirs");
    check(&|report| report.connect.failed = 2, "2 connections failed");
    check(&|report| report.ended.connections = 2, "2 connections ended before the run did");
    check(&|report| report.published.failures.push(failure()), "2 events were not accepted");
    check(&|report| report.published.accepted = 2999, "2999 of 3000 events were sent in time");
    check(
        &|report| report.throughput.server_matched_agrees = Some(false),
        "the server matched another number of subscribers",
    );
    check(&|report| report.expectations[0].met = false, "p99<50ms was not met");
    let mut interrupted = good();
    (interrupted.published.accepted, interrupted.interrupted) = (7, true);
    assert_eq!(interrupted.judge(), Vec::<String>::new(), "what was not sent is no problem of an interrupted run");
}

#[test]
fn json_names_have_units() {
    let report = serde_json::to_value(good()).unwrap();
    for pointer in [
        "/connect/seconds",
        "/latency/p99_9_milliseconds",
        "/fairness/first_to_last_p99_milliseconds",
        "/throughput/megabytes_per_second",
        "/this_side/resident_mebibytes",
        "/this_side/cpu_percent",
    ] {
        assert!(report.pointer(pointer).is_some_and(serde_json::Value::is_number), "{pointer}");
    }
}
