//! Spans, as a collector of OpenTelemetry gets them. It reads them with the official schema.

#![cfg(all(unix, feature = "otlp"))]
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use http::Request;
use http_body_util::Full;
use serde_json::{Value, json};
use signalhub_client::Client;
use signalhub_server::HUB_PATH;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio_tungstenite::tungstenite::Message;

use crate::common::certificate::Files;
use crate::common::process::{Server, program};
use crate::common::{Answer, KEY, SECRET, send, sign_claims};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";
const EVENT: &str = r#"{"e":"portos.licence.activated","p":{"shopId":1}}"#;

/// The program `collector.py`.
struct Collector {
    _process: Child,
    lines: Lines<BufReader<ChildStdout>>,
    url: String,
}

impl Collector {
    /// Starts it; `None` if this machine cannot run it.
    async fn start(answer: &str) -> Option<Self> {
        Self::start_with(answer, None).await
    }

    /// Starts it, with TLS if there is a certificate.
    async fn start_with(answer: &str, certificate: Option<&Files>) -> Option<Self> {
        let python = match tokio::task::spawn_blocking(install).await.unwrap() {
            Ok(python) => python,
            Err(missing) => {
                eprintln!("not run: opentelemetry-proto could not be installed from PyPI: {missing}");
                return None;
            }
        };
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/collector/collector.py");
        let mut command = Command::new(python);
        command.arg(script).arg(answer);
        command.args(certificate.iter().flat_map(|files| [files.path("chain.pem"), files.path("key.pem")]));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut process = command.spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let first: Value = serde_json::from_str(&lines.next_line().await.unwrap().unwrap()).unwrap();
        let scheme = if certificate.is_some() { "https" } else { "http" };
        Some(Self { _process: process, lines, url: format!("{scheme}://127.0.0.1:{}", first["port"]) })
    }

    async fn spans(&mut self, count: usize) -> Vec<Value> {
        let mut spans = Vec::new();
        while spans.len() < count {
            let line = tokio::time::timeout(Duration::from_secs(20), self.lines.next_line()).await.expect("a span");
            spans.push(serde_json::from_str(&line.unwrap().unwrap()).unwrap());
        }
        spans
    }
}

/// Puts the schema into an environment of its own beside the program of the tests, as the gates of other clients do.
fn install() -> Result<PathBuf, String> {
    static INSTALLING: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let _one = INSTALLING.lock();
    let environment = std::env::current_exe().unwrap().ancestors().nth(3).unwrap().join("opentelemetry-proto");
    let python = environment.join("bin/python3");
    let schema = ["-c", "import opentelemetry.proto.collector.trace.v1.trace_service_pb2"];
    if run(std::process::Command::new(&python).args(schema)).is_ok() {
        return Ok(python);
    }
    let _ = std::fs::remove_dir_all(&environment);
    run(std::process::Command::new("python3").args(["-m", "venv"]).arg(&environment))?;
    let pip = environment.join("bin/pip");
    run(std::process::Command::new(pip).args(["install", "--quiet", "opentelemetry-proto==1.45.0"]))?;
    run(std::process::Command::new(&python).args(schema))?;
    Ok(python)
}

/// Runs a step of the installation; on failure, returns the last line of its output.
fn run(command: &mut std::process::Command) -> Result<(), String> {
    match command.stdin(Stdio::null()).output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => {
            let said = [output.stdout, output.stderr].concat();
            Err(String::from_utf8_lossy(&said).lines().rfind(|line| !line.is_empty()).unwrap_or_default().to_owned())
        }
        Err(error) => Err(error.to_string()),
    }
}

async fn serve(variables: &[(&str, &str)]) -> Server {
    let common = [("SIGNALHUB_AUTH__SECRET", SECRET), ("SIGNALHUB_PUBLISH__KEYS", KEY), ("RUST_LOG", "debug")];
    Server::start(&[&common, variables].concat()).await
}

fn token() -> String {
    sign_claims(&json!({ "sub": "ann", "exp": 4_000_000_000_u64 }))
}

async fn subscribed(server: &Server) -> Client {
    let client = Client::connect(&format!("{}{HUB_PATH}", server.url), Some(&token())).await.unwrap();
    client.invoke::<()>("Subscribe", (json!({ "e": "portos.licence.activated" }),)).await.unwrap();
    client
}

async fn publish(server: &Server, media: &str, traceparent: Option<&str>, body: &str) -> Answer {
    let request = Request::post(format!("{}/api/v1/publish", server.url)).header("X-API-Key", KEY);
    let request = request.header("Content-Type", format!("application/{media}")).header("tracestate", "a=1,b=2");
    let request = traceparent.into_iter().fold(request, |request, value| request.header("traceparent", value));
    send(request.body(Full::from(body.to_owned())).unwrap()).await
}

fn caller(sampled: bool) -> String {
    format!("00-{TRACE}-{CALLER}-0{}", u8::from(sampled))
}

fn named<'a>(spans: &'a [Value], name: &str, kind: &str) -> &'a Value {
    let kind = format!("SPAN_KIND_{kind}");
    spans
        .iter()
        .find(|span| span["name"] == name && span["kind"] == *kind)
        .unwrap_or_else(|| panic!("{name}: {spans:?}"))
}

#[tokio::test]
async fn a_publish_is_three_spans_in_the_trace_of_its_caller_however_many_clients_get_it() {
    let Some(mut collector) = Collector::start("200").await else { return };
    let server = serve(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url),
        ("OTEL_EXPORTER_OTLP_HEADERS", "x-key=secret"),
        ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test"),
        ("OTEL_BSP_SCHEDULE_DELAY", "50"),
    ])
    .await;
    let clients = [subscribed(&server).await, subscribed(&server).await, subscribed(&server).await];
    // Neither of these is sampled, so neither is recorded.
    for traceparent in [None, Some(caller(false))] {
        assert_eq!(publish(&server, "json", traceparent.as_deref(), EVENT).await.status, 202);
    }
    let receipt = publish(&server, "json", Some(&caller(true)), EVENT).await;
    let spans = collector.spans(3).await;
    let request = named(&spans, "publish portos.licence.activated", "SERVER");
    let item = named(&spans, "publish portos.licence.activated", "PRODUCER");
    let fan_out = named(&spans, "fan_out portos.licence.activated", "INTERNAL");
    for span in &spans {
        assert_eq!((&span["trace"], &span["path"]), (&json!(TRACE), &json!("/v1/traces")));
        assert_eq!((&span["type"], &span["key"]), (&json!("application/x-protobuf"), &json!("secret")));
        let resource = &span["resource"];
        assert_eq!(
            (&resource["service.name"], &resource["deployment.environment.name"]),
            (&json!("signalhub"), &json!("test"))
        );
        assert_eq!(span["status"], 0);
    }
    assert_eq!((&request["parent"], &request["state"]), (&json!(CALLER), &json!("a=1,b=2")));
    assert_eq!((&item["parent"], &fan_out["parent"]), (&request["span"], &item["span"]));
    let position = &receipt.body["position"];
    assert_eq!(
        request["attributes"],
        json!({
            "messaging.system": "signalhub", "messaging.operation.name": "publish", "http.request.method": "POST",
            "url.path": "/api/v1/publish", "http.response.status_code": "202",
        })
    );
    assert_eq!(
        item["attributes"],
        json!({
            "messaging.system": "signalhub", "messaging.operation.name": "publish",
            "messaging.destination.name": "portos.licence.activated", "messaging.message.id": receipt.body["id"],
            "signalhub.matched": "3", "signalhub.position": position,
        })
    );
    assert_eq!(fan_out["attributes"], json!({ "signalhub.matched": "3", "signalhub.position": position }));
    assert_eq!(fan_out["events"], json!(["first_write", "last_write"]));

    // The items of a batch, each in its own trace if it names one. What is refused is an error.
    let own = "0af7651916cd43dd8448eb211c80319c";
    let event = |id: u32, name: &str, more: &str| {
        format!(r#"{{"specversion":"1.0","id":"{id}","source":"/shop","type":"{name}","data":{{}}{more}}}"#)
    };
    let with_own = format!(r#","traceparent":"00-{own}-b7ad6b7169203331-01","tracestate":"c=3""#);
    let batch = [event(1, "portos.licence.activated", &with_own), event(2, "no.such", "")].join(",");
    let answer = publish(&server, "cloudevents-batch+json", Some(&caller(true)), &format!("[{batch}]")).await;
    assert_eq!(answer.codes(), ["-", "unknown_event"]);
    let spans = collector.spans(4).await;
    let request = named(&spans, "publish", "SERVER");
    assert_eq!(request["attributes"]["messaging.batch.message_count"], "2");
    let first = named(&spans, "publish portos.licence.activated", "PRODUCER");
    assert_eq!((&first["trace"], &first["parent"]), (&json!(own), &json!("b7ad6b7169203331")));
    assert_eq!((&first["state"], &first["attributes"]["cloudevents.event_id"]), (&json!("c=3"), &json!("1")));
    assert_eq!(first["attributes"]["cloudevents.event_source"], "/shop");
    assert_eq!(named(&spans, "fan_out portos.licence.activated", "INTERNAL")["trace"], own);
    let second = named(&spans, "publish no.such", "PRODUCER");
    assert_eq!((&second["parent"], &second["attributes"]["error.type"]), (&request["span"], &json!("unknown_event")));
    assert_eq!(second["status"], 2);
    drop(clients);
    let (code, _, log) = server.terminate().await;
    assert_eq!(code, Some(0));
    assert!(!log.contains("x-key") && !log.contains("secret\""), "{log}");
}

#[tokio::test]
async fn a_call_is_a_span_in_the_trace_that_its_headers_name() {
    let Some(mut collector) = Collector::start("200").await else { return };
    let endpoint = format!("{}/other/path", collector.url);
    let server = serve(&[
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", &endpoint),
        ("OTEL_SERVICE_NAME", "hub-7"),
        // Nothing is sent before the end, so that the end must send it.
        ("OTEL_BSP_SCHEDULE_DELAY", "600000"),
    ])
    .await;
    let url = format!("{}{HUB_PATH}?access_token={}", server.url.replacen("http", "ws", 1), token());
    let (mut socket, _) = tokio_tungstenite::connect_async(url).await.unwrap();
    socket.send(Message::text("{\"protocol\":\"json\",\"version\":1}\u{1e}")).await.unwrap();
    socket.next().await.unwrap().unwrap();
    for (event, traceparent) in [
        ("portos.licence.activated", caller(true)),
        ("no.such", caller(true)),
        ("no.such", caller(false)),
        ("no.such", "bad".to_owned()),
    ] {
        let call = json!({
            "type": 1, "headers": { "traceparent": traceparent }, "invocationId": "1", "target": "subscribe", "arguments": [{ "e": event }]
        });
        socket.send(Message::text(format!("{call}\u{1e}"))).await.unwrap();
        socket.next().await.unwrap().unwrap();
    }
    let (code, _, _) = server.terminate().await;
    assert_eq!(code, Some(0));
    let spans = collector.spans(2).await;
    for (span, error) in spans.iter().zip([None, Some("HubException")]) {
        assert_eq!((&span["name"], &span["kind"]), (&json!("mainHub/Subscribe"), &json!("SPAN_KIND_SERVER")));
        assert_eq!((&span["trace"], &span["parent"]), (&json!(TRACE), &json!(CALLER)));
        assert_eq!((&span["path"], &span["resource"]["service.name"]), (&json!("/other/path"), &json!("hub-7")));
        let attributes = &span["attributes"];
        let rpc = ["rpc.system", "rpc.service", "rpc.method"].map(|name| attributes[name].as_str().unwrap());
        assert_eq!(rpc, ["signalr", "mainHub", "Subscribe"]);
        assert_eq!(attributes["error.type"].as_str(), error);
    }
}

/// The counter of dropped spans; `None` where it is not on the page.
async fn dropped(server: &Server) -> Option<u64> {
    let page = send(Request::get(format!("{}/metrics", server.internal)).body(Full::default()).unwrap()).await.text;
    page.lines()
        .find_map(|line| line.strip_prefix("signalhub_traces_dropped_total "))
        .map(|count| count.parse().unwrap())
}

#[tokio::test]
async fn a_collector_that_fails_hangs_or_is_away_harms_nothing() {
    for answer in ["503", "400", "never", "away"] {
        let Some(collector) = Collector::start(answer.replace("away", "200").as_str()).await else { return };
        let url = if answer == "away" { "http://127.0.0.1:9".to_owned() } else { collector.url.clone() };
        let server = serve(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &url),
            ("OTEL_BSP_SCHEDULE_DELAY", "10"),
            ("OTEL_TRACES_SAMPLER", "always_on"),
        ])
        .await;
        let client = subscribed(&server).await;
        let batch = format!("[{}]", [EVENT; 100].join(","));
        // Each item is two spans: more than the queue holds.
        for _ in 0..30 {
            let answered = publish(&server, "json", None, &batch).await;
            assert_eq!(answered.body[99]["matched"], 1, "{answer}");
        }
        for _ in 0..3000 {
            client.next_invocation().await.unwrap();
        }
        if answer != "503" {
            // A collector that is busy is asked again for a while, so nothing may have been dropped yet but what the queue had no room for.
            for _ in 0..500 {
                if dropped(&server).await.unwrap() > 0 {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        assert!(dropped(&server).await.unwrap() > 0, "{answer}");
        let begun = Instant::now();
        let (code, _, _) = server.terminate().await;
        assert_eq!(code, Some(0), "{answer}");
        assert!(begun.elapsed() < Duration::from_secs(20), "{answer}: the end took {:?}", begun.elapsed());
    }
}

#[tokio::test]
async fn a_collector_gets_spans_over_https_if_its_certificate_is_trusted() {
    let files = Files::new();
    files.renew();
    let trusted = files.path("chain.pem");
    for certificate in [Some(trusted.as_str()), None] {
        let Some(mut collector) = Collector::start_with("200", Some(&files)).await else { return };
        let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url.as_str());
        let trust = certificate.map(|path| ("OTEL_EXPORTER_OTLP_CERTIFICATE", path));
        let mut variables = vec![endpoint, ("OTEL_BSP_SCHEDULE_DELAY", "50"), ("OTEL_EXPORTER_OTLP_TIMEOUT", "500")];
        variables.extend(trust);
        let server = serve(&variables).await;
        assert_eq!(publish(&server, "json", Some(&caller(true)), EVENT).await.status, 202);
        if certificate.is_some() {
            assert!(collector.spans(3).await.iter().all(|span| span["trace"] == TRACE));
            continue;
        }
        // Without the variable the authorities of the system count, which do not know it.
        let counted = async {
            while dropped(&server).await.unwrap() < 3 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), counted).await.unwrap();
    }
}

#[tokio::test]
async fn without_an_endpoint_nothing_is_recorded() {
    for variables in [
        &[][..],
        &[("OTEL_TRACES_SAMPLER", "always_on")],
        &[("OTEL_EXPORTER_OTLP_ENDPOINT", "")],
        &[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9"), ("OTEL_SDK_DISABLED", "true")],
        &[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9"), ("OTEL_TRACES_EXPORTER", "none")],
    ] {
        let server = serve(variables).await;
        assert_eq!(publish(&server, "json", Some(&caller(true)), EVENT).await.status, 202);
        assert_eq!(dropped(&server).await, None, "{variables:?}");
    }
}

#[tokio::test]
async fn variables_that_cannot_be_followed_end_the_start_and_the_check_with_a_reason() {
    let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9");
    let grpc = "\"grpc\" is not supported: traces are sent as \"http/protobuf\" only";
    for (name, value, expected) in [
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", grpc),
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "grpc", grpc),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json", "\"http/json\" is not supported"),
        ("OTEL_TRACES_SAMPLER", "jaeger_remote", "OTEL_TRACES_SAMPLER: expected one of always_on"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "not a url", "the exporter of traces cannot be made"),
        ("OTEL_BSP_SCHEDULE_DELAY", "soon", "OTEL_BSP_SCHEDULE_DELAY: expected a number of milliseconds"),
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/nothing.pem", "OTEL_EXPORTER_OTLP_CERTIFICATE: /nothing.pem"),
    ] {
        for arguments in [&["serve", "--set", "listen.public=127.0.0.1:0"][..], &["config", "check"]] {
            let output = program(arguments).envs([endpoint, (name, value)]).output();
            let output = tokio::time::timeout(Duration::from_secs(20), output).await;
            let output = output.unwrap_or_else(|_| panic!("{name}={value}: it runs")).unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(1), "{name}={value}: {said}");
            assert!(said.contains(expected), "{name}={value}: {said}");
        }
    }
}
