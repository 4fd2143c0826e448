//! A run ends, whatever the server does, and says why.

use std::sync::Arc;
use std::time::Duration;

use signalhub_load::{Live, LoadError, Plan, Stage};
use tokio::time::Instant;

use crate::cheating_hub::{CheatingHub, Fault};
use crate::delivery::{figures, invoke, plan, publish, run};

async fn error(plan: Plan) -> LoadError {
    signalhub_load::run(plan, Arc::new(Live::default()), std::future::pending()).await.unwrap_err()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_dies_ends_the_run() {
    for by_calls in [true, false] {
        let hub = CheatingHub::start(Fault::Die(60)).await;
        let source = if by_calls { invoke() } else { publish(&hub) };
        let start = Instant::now();
        let report = run(Plan { duration: Duration::from_secs(60), ..plan(&hub, source) }).await;
        assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
        let [ended, lost] = figures(&report, ["/ended/connections", "/delivered/lost"]);
        assert!(ended == 5.0 && !report.passed(), "{report}");
        assert!(lost >= 5.0 || by_calls, "{report}");
        assert!(report.to_string().contains("5 connections ended before the run did"), "{report}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_ended_connection_misses_is_lost() {
    let hub = CheatingHub::start(Fault::EndOne(60)).await;
    let report = run(plan(&hub, invoke())).await;
    assert_eq!(report.problems(), ["1 connections ended before the run did", "60 deliveries were lost"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_refuses_each_event_is_told_at_once() {
    for by_calls in [true, false] {
        let hub = CheatingHub::start(Fault::Refuse).await;
        let source = if by_calls { invoke() } else { publish(&hub) };
        let start = Instant::now();
        let error = error(Plan { duration: Duration::from_secs(60), ..plan(&hub, source) }).await;
        assert!(matches!(&error, LoadError::Refused(why) if why.contains("not today")), "{error}");
        assert!(start.elapsed() < Duration::from_secs(30));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_there_is_told_at_once() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let hub = CheatingHub {
        url: format!("http://{}/hub", listener.local_addr().unwrap()),
        publish_url: "http://127.0.0.1:1".to_owned(),
    };
    drop(listener);
    let connections = std::num::NonZeroU32::new(100_000).unwrap();
    let error = error(Plan { connections, connect_rate: "100/s".parse().unwrap(), ..plan(&hub, invoke()) }).await;
    assert!(matches!(&error, LoadError::NoConnection(why) if why.contains("refused")), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_stopped_reports_what_was_sent() {
    let hub = CheatingHub::start(Fault::None).await;
    let live = Arc::new(Live::default());
    let stop = {
        let live = Arc::clone(&live);
        async move {
            while !matches!(live.snapshot().stage, Stage::Measuring { .. }) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            let enough = live.snapshot().delivered + 200;
            while live.snapshot().delivered < enough {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    };
    let plan = Plan { duration: Duration::from_secs(600), ..plan(&hub, publish(&hub)) };
    let report = signalhub_load::run(plan, live, stop).await.unwrap();
    assert_eq!(report.problems(), Vec::<String>::new(), "{report}");
    let [accepted, expected, delivered] =
        figures(&report, ["/published/accepted", "/delivered/expected", "/delivered/delivered"]);
    assert!(accepted > 0.0 && expected == 5.0 * accepted && delivered == expected, "{report}");
    assert!(report.to_string().contains("interrupted"), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn plans_that_cannot_work_are_refused() {
    let hub = CheatingHub::start(Fault::None).await;
    let good = || plan(&hub, invoke());
    for (plan, text) in [
        (Plan { size: 20, ..good() }, "expected at least 64"),
        (Plan { slow: 5, ..good() }, "all connections are slow"),
        (Plan { duration: Duration::ZERO, ..good() }, "no event is due"),
        (Plan { groups: 6.try_into().unwrap(), ..good() }, "more groups than connections"),
        (Plan { senders: 257.try_into().unwrap(), ..good() }, "more than 256 senders"),
    ] {
        let error = error(plan).await;
        assert!(matches!(&error, LoadError::Plan(why) if why.contains(text)), "{error}");
    }
}
