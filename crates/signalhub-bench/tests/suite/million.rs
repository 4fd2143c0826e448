//! A small run of `signalhub-bench million`. It needs `redis-server`, and the binary of the server beside that of the bench.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// A variable that all processes of a run inherit. That of Redis cannot be read: it writes its title there.
const MARK: &str = "MILLION_TEST";

/// How long processes that were killed may take to disappear.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Starts a run whose processes have this mark. Returns `None`, and says why, if it is impossible here.
fn start(mark: &str, arguments: &[&str]) -> Option<Child> {
    let program = Path::new(env!("CARGO_BIN_EXE_signalhub-bench"));
    if !program.with_file_name("signalhub").exists() {
        eprintln!("not run: signalhub is not built");
        return None;
    }
    if Command::new("redis-server").arg("--version").stdout(Stdio::null()).status().is_err() {
        eprintln!("not run: redis-server is not installed");
        return None;
    }
    let mut command = Command::new(program);
    command.arg("million").args(arguments).env(MARK, mark).stdin(Stdio::null());
    Some(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
}

/// The processes with a mark.
fn marked(mark: &str) -> Vec<PathBuf> {
    let mark = format!("{MARK}={mark}");
    let has_mark = |process: &PathBuf| {
        let variables = fs::read(process.join("environ")).unwrap_or_default();
        variables.split(|byte| *byte == 0).any(|variable| variable == mark.as_bytes())
    };
    fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().path()).filter(has_mark).collect()
}

/// A mark that no other run has.
fn mark(test: &str) -> String {
    format!("{test}-{}", std::process::id())
}

#[test]
fn events_reach_all_connections_or_ten_exactly_once_and_no_process_is_left() {
    let mark = mark("whole");
    let arguments = ["--connections", "200", "--nodes", "2", "--keep-alive", "1", "--hold", "2", "--rounds", "2"];
    let Some(run) = start(&mark, &arguments) else { return };
    let Output { status, stdout, stderr } = run.wait_with_output().unwrap();
    assert_eq!(marked(&mark), Vec::<PathBuf>::new());
    let (stdout, stderr) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert!(status.success(), "{stdout}\n{stderr}");
    let result: serde_json::Value = serde_json::from_str(stdout.lines().last().unwrap()).unwrap();
    assert_eq!(result["counted"], serde_json::json!([200, 200]));
    let reached = |deliveries: &str| -> Vec<(u64, u64)> {
        let deliveries = result[deliveries].as_array().unwrap().iter();
        deliveries.map(|one| (one["reached"].as_u64().unwrap(), one["wrong"].as_u64().unwrap())).collect()
    };
    assert_eq!((reached("to_all"), reached("to_chosen")), (vec![(200, 0); 2], vec![(10, 0); 2]));
    for pings in ["pings_of_nodes", "pings_of_clients"] {
        let count = result["idle"][pings].as_u64().unwrap();
        assert!((200..=800).contains(&count), "{count} {pings} of 200 connections in 2 s, one a second");
    }
    assert!(stdout.contains("| subscribed connections"), "{stdout}");
}

/// A run that is killed when its test fails.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// The processes that a process has started.
fn children(process: u32) -> Vec<PathBuf> {
    let parent = process.to_string();
    let is_child = |process: &PathBuf| {
        let stat = fs::read_to_string(process.join("stat")).unwrap_or_default();
        let behind_name = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
        behind_name.split_whitespace().nth(1) == Some(&parent)
    };
    fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().path()).filter(is_child).collect()
}

#[test]
fn a_run_that_is_stopped_or_killed_leaves_no_process() {
    for signal in [Signal::INT, Signal::KILL] {
        let Some(run) = start("", &["--connections", "20", "--nodes", "2", "--hold", "600"]) else { return };
        let mut run = Running(run);
        let mut progress = BufReader::new(run.0.stderr.take().unwrap()).lines().map(Result::unwrap);
        assert!(progress.any(|line| line.contains("the nodes count 20 connections")));
        let started = children(run.0.id());
        assert_eq!(started.len(), 5, "Redis, two nodes and two generators");
        kill_process(Pid::from_child(&run.0), signal).unwrap();
        assert!(!run.0.wait().unwrap().success());
        let left = || started.iter().filter(|process| process.exists()).count();
        // The kernel ends the children of a process that was killed, which takes a moment.
        let until = Instant::now() + TIMEOUT;
        while signal == Signal::KILL && left() > 0 && Instant::now() < until {
            sleep(Duration::from_millis(10));
        }
        assert_eq!(left(), 0, "after {signal:?}");
    }
}
