//! What is lost, doubled or out of order is found, each and exactly; a stall cannot hide.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use signalhub_load::{Call, Live, Plan, Report, Source, Transport};
use signalhub_protocol::Protocol;

use crate::cheating_hub::{CheatingHub, Fault};

/// A short run: 20 events of a warm-up and 100 measured ones, to five connections.
pub(crate) fn plan(hub: &CheatingHub, source: Source) -> Plan {
    let number = |number| NonZeroU32::new(number).unwrap();
    Plan {
        url: hub.url.clone(),
        tls: None,
        tokens: Vec::new(),
        connections: number(5),
        connect_rate: "1000/s".parse().unwrap(),
        transport: Transport::WebSocketsAlone,
        protocol: Protocol::Json,
        groups: number(1),
        slow: 0,
        join: None,
        source,
        target: None,
        size: 100,
        rate: "200/s".parse().unwrap(),
        warm_up: Duration::from_millis(100),
        duration: Duration::from_millis(500),
        senders: number(1),
        late: Duration::from_secs(30),
        expectations: Vec::new(),
    }
}

pub(crate) fn invoke() -> Source {
    Source::Invoke(Call::new("Broadcast", vec![Value::from("{payload}")]))
}

pub(crate) fn publish(hub: &CheatingHub) -> Source {
    let mut headers = http::HeaderMap::new();
    headers.insert("content-type", http::HeaderValue::from_static("application/json"));
    Source::Publish { url: hub.publish_url.clone(), headers, event: "an.event".to_owned() }
}

pub(crate) async fn run(plan: Plan) -> Report {
    signalhub_load::run(plan, Arc::new(Live::default()), std::future::pending()).await.unwrap()
}

/// The figures under these names.
pub(crate) fn figures<const N: usize>(report: &Report, pointers: [&str; N]) -> [f64; N] {
    let report = serde_json::to_value(report).unwrap();
    pointers.map(|pointer| report.pointer(pointer).and_then(Value::as_f64).unwrap_or_else(|| panic!("{pointer}")))
}

const COUNTS: [&str; 5] =
    ["/published/accepted", "/delivered/delivered", "/delivered/lost", "/delivered/doubled", "/delivered/out_of_order"];

/// Runs against a hub with a fault, by calls and by publishes.
async fn check(fault: Fault, counts: [f64; 5], problems: &[&str]) {
    for by_calls in [true, false] {
        let hub = CheatingHub::start(fault).await;
        let source = if by_calls { invoke() } else { publish(&hub) };
        let report = run(plan(&hub, source)).await;
        assert_eq!(figures(&report, COUNTS), counts, "{fault:?}\n{report}");
        assert_eq!(report.problems(), problems, "{fault:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_delivers_all_passes() {
    check(Fault::None, [100.0, 500.0, 0.0, 0.0, 0.0], &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_lost_delivery_is_found() {
    check(Fault::Lose(60), [100.0, 499.0, 1.0, 0.0, 0.0], &["1 deliveries were lost"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_loss_of_the_last_event_is_found() {
    check(Fault::Lose(119), [100.0, 499.0, 1.0, 0.0, 0.0], &["1 deliveries were lost"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_doubled_delivery_is_found() {
    check(Fault::Double(60), [100.0, 500.0, 0.0, 1.0, 0.0], &["1 deliveries were doubled"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doubling_of_the_last_event_is_found() {
    check(Fault::Double(119), [100.0, 500.0, 0.0, 1.0, 0.0], &["1 deliveries were doubled"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_events_out_of_order_are_found() {
    check(Fault::Swap(60), [100.0, 500.0, 0.0, 0.0, 1.0], &["1 deliveries were out of order"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_warm_up_is_not_judged() {
    check(Fault::Lose(3), [100.0, 500.0, 0.0, 0.0, 0.0], &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn receipts_that_do_not_agree_are_a_problem() {
    let hub = CheatingHub::start(Fault::Miscount).await;
    let report = run(plan(&hub, publish(&hub))).await;
    assert_eq!(report.problems(), ["the server matched another number of subscribers"]);
}

/// Half of the events are due while the server stalls. Were each measured from when it could be sent, only one would be slow.
#[tokio::test(flavor = "multi_thread")]
async fn a_stall_delays_all_that_was_due_meanwhile() {
    let hub = CheatingHub::start(Fault::Stall(60)).await;
    let plan = Plan { rate: "100/s".parse().unwrap(), duration: Duration::from_secs(2), ..plan(&hub, publish(&hub)) };
    let plan = Plan { expectations: vec!["p99<500ms".parse().unwrap()], ..plan };
    let report = run(plan).await;
    let names = ["/latency/p50_milliseconds", "/latency/p90_milliseconds", "/latency/p99_milliseconds"];
    let [p50, p90, p99] = figures(&report, names);
    assert!(p50 < 500.0 && p90 > 500.0 && p99 > 900.0, "{report}");
    let [p99_of_receipts] = figures(&report, ["/published/receipt_p99_milliseconds"]);
    assert!(p99_of_receipts > 900.0, "{report}");
    assert_eq!(report.problems(), ["p99<500ms was not met"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_calls_of_the_target_count_if_there_is_one() {
    let hub = CheatingHub::start(Fault::None).await;
    let with = |target: &str| Plan { target: Some(target.to_owned()), ..plan(&hub, invoke()) };
    assert_eq!(run(with("bench")).await.problems(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_of_another_target_do_not_count() {
    let hub = CheatingHub::start(Fault::None).await;
    let report = run(Plan { target: Some("other".to_owned()), ..plan(&hub, invoke()) }).await;
    assert_eq!(report.problems(), ["500 deliveries were lost"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_do_not_read_lose_nothing() {
    let hub = CheatingHub::start(Fault::None).await;
    let report = run(Plan { slow: 2, ..plan(&hub, publish(&hub)) }).await;
    assert_eq!(report.problems(), Vec::<String>::new(), "{report}");
    assert_eq!(figures(&report, ["/delivered/expected", "/slow/connections"]), [300.0, 2.0]);
    assert!(report.to_string().contains("2 connections did not read and are not counted"), "{report}");
}
