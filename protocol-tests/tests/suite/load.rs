//! The load generator calls methods of the recorded hub, as it would call those of the original.

use std::io::{BufRead, BufReader};
use std::num::NonZeroU32;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use signalhub_load::{Call, Live, Plan, Source, Transport};
use signalhub_protocol::Protocol;

/// The conformance server, which ends with this value.
struct Server {
    child: Child,
    url: String,
}

impl Server {
    fn start() -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_conformance-server"));
        let mut child = command.args(["--listen", "127.0.0.1:0"]).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.trim().trim_start_matches("listening on ").trim_end_matches('/').to_owned();
        Self { child, url }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Twelve connections, and 50 measured events.
fn plan(server: &Server, method: &str, arguments: &[&str]) -> Plan {
    let number = |number| NonZeroU32::new(number).unwrap();
    Plan {
        url: format!("{}/conformance", server.url),
        tls: None,
        tokens: Vec::new(),
        connections: number(12),
        connect_rate: "500/s".parse().unwrap(),
        transport: Transport::WebSockets,
        protocol: Protocol::Json,
        groups: number(1),
        slow: 0,
        join: None,
        source: Source::Invoke(Call::new(method, arguments.iter().map(|text| Value::from(*text)).collect())),
        target: Some("Bench".to_owned()),
        size: 256,
        rate: "100/s".parse().unwrap(),
        warm_up: Duration::from_millis(100),
        duration: Duration::from_millis(500),
        senders: number(1),
        late: Duration::from_secs(30),
        expectations: Vec::new(),
    }
}

/// Runs a plan, which must pass with this number of deliveries.
async fn check(plan: Plan, deliveries: u64) {
    let cell = (plan.transport, plan.protocol);
    let report = signalhub_load::run(plan, Arc::new(Live::default()), std::future::pending()).await.unwrap();
    assert_eq!(report.problems(), Vec::<String>::new(), "{cell:?}\n{report}");
    let delivered = serde_json::to_value(&report).unwrap()["delivered"]["delivered"].as_u64();
    assert_eq!(delivered, Some(deliveries), "{cell:?}\n{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_method_that_sends_to_all_reaches_all_over_every_transport() {
    let server = Server::start();
    for protocol in Protocol::ALL {
        for transport in
            [Transport::WebSockets, Transport::WebSocketsAlone, Transport::ServerSentEvents, Transport::LongPolling]
        {
            if (transport, protocol) != (Transport::ServerSentEvents, Protocol::MessagePack) {
                let plan = plan(&server, "SendAll", &["Bench", "{payload}"]);
                check(Plan { transport, protocol, ..plan }, 600).await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_are_joined_and_get_their_own_events() {
    let server = Server::start();
    let plan = plan(&server, "SendGroup", &["{group}", "Bench", "{payload}"]);
    let join = Some(Call::new("Join", vec![Value::from("{group}")]));
    // Each event goes to three of the twelve connections, and each sender has its own order.
    check(Plan { groups: 4.try_into().unwrap(), senders: 3.try_into().unwrap(), join, ..plan }, 150).await;
}
