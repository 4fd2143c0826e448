//! `signalhub bench` and the progress of long commands, as processes against a server in this one.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use serde_json::Value;
use tokio::io::AsyncReadExt;
use tokio::process::Command;
use tokio::time::timeout;

use crate::common::certificate::Files;
use crate::common::process::program;
use crate::common::terminal_output::TerminalOutput;
use crate::common::{KEY, Running, SECRET, configuration};

/// A server on which one address may have many sockets.
async fn node() -> Running {
    Running::start(configuration("[limits]\nsockets_per_address = \"unlimited\"")).await
}

/// A short run: 20 connections, 50 events, unless the options say something else.
fn bench(node: &Running, more: &[&str]) -> Command {
    let short = [("--connections", "20"), ("--rate", "100/s"), ("--duration", "500ms"), ("--warm-up", "100ms")];
    let short = short.into_iter().filter(|(name, _)| !more.contains(name)).flat_map(|(name, value)| [name, value]);
    let others = ["bench", &node.url, "--late", "30s", "--secret", SECRET, "--publish-key", KEY];
    let arguments: Vec<&str> = others.into_iter().chain(short).chain(more.iter().copied()).collect();
    program(&arguments)
}

async fn run(command: &mut Command) -> (Option<i32>, String, String) {
    let output = timeout(Duration::from_secs(60), command.output()).await.expect("an end").unwrap();
    let Output { status, stdout, stderr } = output;
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()))
}

#[tokio::test(flavor = "multi_thread")]
async fn each_event_arrives_over_every_transport_in_every_protocol() {
    let node = node().await;
    for transport in ["websockets", "sse", "long-polling"] {
        for protocol in ["json", "messagepack"] {
            let options = ["--transport", transport, "--protocol", protocol, "--expect", "max<30s"];
            let (code, report, errors) = run(&mut bench(&node, &options)).await;
            if (transport, protocol) == ("sse", "messagepack") {
                assert_eq!((code, report.as_str()), (Some(2), ""), "{errors}");
                assert!(errors.contains("server-sent events cannot carry MessagePack"), "{errors}");
                continue;
            }
            assert_eq!(code, Some(0), "{transport} {protocol}: {report}{errors}");
            for line in [
                "published   50 of 50 at ",
                "delivered   1000 of 1000     lost 0   doubled 0   out of order 0   late (> 30 s) 0",
                "server-side matched: 1000 (agrees)",
                "expect      max<30s: met",
            ] {
                assert!(report.contains(line), "{transport} {protocol}: {report}");
            }
        }
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_get_their_own_events_and_slow_connections_are_told() {
    let node = node().await;
    let (code, report, errors) =
        run(&mut bench(&node, &["--groups", "3", "--slow", "10%", "--skip-negotiation", "--size", "5000"])).await;
    assert_eq!(code, Some(0), "{report}{errors}");
    assert!(report.contains("slow        2 connections did not read and are not counted"), "{report}");
    assert!(report.contains("(agrees)"), "{report}");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_with_tls_is_loaded_if_its_certificate_is_trusted() {
    let files = Files::new();
    files.renew();
    let settings = files.settings("[limits]\nsockets_per_address = \"unlimited\"");
    let mut node = Running::start(configuration(&settings)).await;
    node.url = node.url.replace("http://", "https://");
    for transport in ["websockets", "sse", "long-polling"] {
        let (code, report, errors) =
            run(&mut bench(&node, &["--transport", transport, "--ca", &files.path("chain.pem")])).await;
        assert_eq!(code, Some(0), "{transport}: {report}{errors}");
    }
    let (code, _, errors) = run(&mut bench(&node, &[])).await;
    assert_eq!(code, Some(2), "{errors}");
    assert!(errors.contains("--ca FILE names the certificate of its authority"), "{errors}");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_are_written_as_json_and_a_missed_expectation_fails() {
    let (node, file) = (node().await, path("bench-json"));
    let mut command = bench(&node, &["--expect", "p50<1us"]);
    let (code, report, errors) = run(command.arg("--json").arg(&file)).await;
    assert_eq!((code, errors.as_str()), (Some(1), "signalhub: p50<1us was not met\n"), "{report}");
    assert!(report.contains("expect      p50<1us: NOT MET"), "{report}");
    let json: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!(json["delivered"]["delivered"], 1000, "{json}");
    assert!(json["latency"]["p50_milliseconds"].as_f64().unwrap() > 0.0, "{json}");
    assert_eq!(json["problems"][0], "p50<1us was not met");
    std::fs::remove_file(file).unwrap();
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_measured_exits_with_2_and_says_why() {
    let node = node().await;
    let url = node.url.as_str();
    for (arguments, text) in [
        (vec![url, "--token", "nonsense"], "401"),
        (vec![url, "--secret", "short"], "--secret: expected at least 32 bytes"),
        (vec![url, "--secret", SECRET, "--publish-key", "wrong-key-of-twenty-bytes"], "--publish-key"),
        (vec![url, "--secret", SECRET, "--publish-key", KEY, "--event", "unknown"], "unknown"),
        (vec!["http://127.0.0.1:1", "--token", "t"], "refused"),
        (vec!["127.0.0.1:1"], "expected a URL"),
        (vec![url, "--expect", "p99"], "expected a percentile and a time"),
        (vec![url, "--token", "t", "--json", "/no/such/folder/file"], "--json"),
    ] {
        let (code, report, errors) = run(&mut program(&[&["bench"], &arguments[..]].concat())).await;
        assert_eq!((code, report.as_str()), (Some(2), ""), "{arguments:?}: {errors}");
        assert!(errors.contains(text), "{arguments:?}: {errors}");
        assert!(!errors.contains(SECRET) && !errors.contains(KEY), "{errors}");
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn too_few_open_files_are_told_and_the_rest_is_measured() {
    let node = node().await;
    let bench = bench(&node, &["--connections", "100"]);
    let mut shell = Command::new("sh");
    shell.args(["-c", "ulimit -n 60; exec \"$@\"", "sh"]).arg(bench.as_std().get_program());
    shell.args(bench.as_std().get_args()).env_clear().stdin(Stdio::null());
    let (code, report, errors) = run(&mut shell).await;
    assert_eq!(code, Some(1), "{report}{errors}");
    assert!(errors.contains("this process may open 60 files and needs about 164"), "{errors}");
    assert!(report.contains("Too many open files") && errors.contains("connections failed"), "{report}{errors}");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_run_prints_what_there_is() {
    let node = node().await;
    let mut child = bench(&node, &["--duration", "10m"]).spawn().unwrap();
    let published = async {
        while node.counts.published() < 20 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_secs(30), published).await.expect("events");
    let pid = child.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().await.unwrap().success());
    let mut report = String::new();
    child.stdout.take().unwrap().read_to_string(&mut report).await.unwrap();
    let code = timeout(Duration::from_secs(30), child.wait()).await.expect("an end").unwrap().code();
    assert_eq!(code, Some(0), "{report}");
    assert!(report.contains("interrupted") && report.contains("lost 0 "), "{report}");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_shows_one_changing_line_and_a_pipe_shows_none() {
    let node = node().await;
    let terminal = TerminalOutput::open();
    let mut command = bench(&node, &["--duration", "1500ms"]);
    let mut child = command.stderr(terminal.stream()).spawn().unwrap();
    drop(command);
    let shown = terminal.read();
    let mut report = String::new();
    child.stdout.take().unwrap().read_to_string(&mut report).await.unwrap();
    assert_eq!(child.wait().await.unwrap().code(), Some(0), "{report}");
    let shown = tokio::task::spawn_blocking(move || shown.join().unwrap()).await.unwrap();
    assert!(shown.contains("\r\u{1b}[K1 s  measuring "), "{shown:?}");
    assert!(shown.contains(" published, ") && shown.ends_with("\r\u{1b}[K"), "{shown:?}");
    assert!(!shown.contains('\n') && !report.contains('\u{1b}'), "{shown:?} {report:?}");
    let (code, _, errors) = run(&mut bench(&node, &["--duration", "1500ms"])).await;
    assert!(code == Some(0) && !errors.contains(['\r', '\u{1b}']), "{errors:?}");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_shows_how_far_it_is_beside_its_output() {
    let files = Files::new();
    let folder = files.folder().display().to_string();
    let settings =
        format!("[limits]\nsockets_per_address = \"unlimited\"\n[history]\nstore = \"disk\"\ndirectory = \"{folder}\"");
    let node = Running::start(configuration(&settings)).await;
    let (code, report, errors) = run(&mut bench(&node, &["--rate", "600/s", "--duration", "1s"])).await;
    assert_eq!(code, Some(0), "{report}{errors}");
    node.stop().await;
    let export = ["history", "export", "portos.resources.changed", "--directory", &folder];
    let terminal = TerminalOutput::open();
    let mut command = program(&export);
    let mut child = command.stderr(terminal.stream()).spawn().unwrap();
    drop(command);
    let (shown, mut stdout, mut output) = (terminal.read(), child.stdout.take().unwrap(), vec![0]);
    stdout.read_exact(&mut output).await.unwrap();
    // The output is longer than a pipe, so that the export waits for its reader.
    tokio::time::sleep(Duration::from_millis(300)).await;
    stdout.read_to_end(&mut output).await.unwrap();
    assert_eq!(child.wait().await.unwrap().code(), Some(0));
    assert_eq!(output.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).count(), 660);
    let shown = tokio::task::spawn_blocking(move || shown.join().unwrap()).await.unwrap();
    assert!(shown.contains("s  exported ") && shown.ends_with("\r\u{1b}[K"), "{shown:?}");
    let (code, output, errors) = run(&mut program(&export)).await;
    assert!(code == Some(0) && !errors.contains(['\r', '\u{1b}']), "{errors:?}");
    assert!(output.len() > 200 * 660);
    let (code, _, errors) = run(&mut program(&["history", "compact", "--directory", &folder])).await;
    assert!(code == Some(0) && !errors.contains(['\r', '\u{1b}']), "{errors:?}");
}
