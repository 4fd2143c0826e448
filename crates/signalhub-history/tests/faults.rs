//! What happens to a history when its process is killed, and when its disk fails.
//!
//! Each test starts this program again, as a process that runs the test `child` alone and does what an environment variable names.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may panic, and a child tells its parent")]

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use signalhub_events::{Append, Declared, Durability, Event, EventName, Log, LogUnavailable, Position, ReadRange};
use signalhub_history::{DiskLog, DiskOptions};
use tokio::sync::oneshot;

/// What the child does.
const ROLE: &str = "SIGNALHUB_HISTORY_CHILD";
/// The directory of the child's history.
const DIRECTORY: &str = "SIGNALHUB_HISTORY_DIRECTORY";

/// A directory that is removed when it is dropped.
struct TemporaryDirectory(PathBuf);

impl TemporaryDirectory {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("signalhub-history-{name}-{}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }
}

impl Drop for TemporaryDirectory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn options(directory: &Path) -> DiskOptions {
    let mut options = DiskOptions::new(directory.join("history"));
    options.retry_interval = Duration::from_millis(50);
    options
}

/// The command of a child with this role.
fn child_command(role: &str, directory: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "child", "--nocapture"]).env(ROLE, role).env(DIRECTORY, directory);
    command
}

/// Runs inside the processes that the other tests start.
#[test]
fn child() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let directory = PathBuf::from(std::env::var(DIRECTORY).unwrap());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        match role.as_str() {
            "publish" => publish_until_killed(&directory).await,
            "eio" => writes_fail(&directory, "FAULT_WRITE").await,
            "full" => writes_fail(&directory, "FAULT_FULL").await,
            "sync" => a_sync_fails(&directory, Durability::Durable).await,
            "interval" => a_sync_fails(&directory, Durability::Written).await,
            "tmpfs" => the_disk_is_small(&directory).await,
            role => panic!("no role {role}"),
        }
    });
}

async fn append(
    log: &DiskLog,
    name: &str,
    payload: String,
    durability: Durability,
) -> Result<Position, LogUnavailable> {
    let name = EventName::from(name);
    log.admit(&name, Declared::Yes);
    let (sender, outcome) = oneshot::channel();
    let done = |result| {
        let _ = sender.send(result);
    };
    log.append(Append::new(Event::new(name, payload).into(), None, durability, done)).await?;
    outcome.await.map_err(|_| LogUnavailable)?
}

/// The payloads of a name, in order, with its latest position.
async fn stored(log: &DiskLog, name: &str) -> (u64, Vec<String>) {
    let bounds = log.bounds(&name.into(), Declared::Yes).unwrap();
    let (first, mut all) = (bounds.first.unwrap(), Vec::new());
    let mut after = first - 1;
    while after < bounds.top {
        let page = log.read(ReadRange::new(name.into(), after, bounds.top, 500)).await.unwrap();
        assert_eq!(page.events.first().map(|(offset, _)| *offset), Some(after + 1), "offsets have no holes");
        after = page.through;
        all.extend(page.events.iter().map(|(_, event)| String::from_utf8(event.payload.to_vec()).unwrap()));
    }
    (first, all)
}

/// Publishes events of eight names at once, and writes the position of each to standard output when it was told.
async fn publish_until_killed(directory: &Path) {
    let mut options = options(directory);
    options.limits.events = 2_000;
    let log = Arc::new(DiskLog::open(options).unwrap());
    let publish = |name: usize| {
        let log = Arc::clone(&log);
        tokio::spawn(async move {
            let name = format!("n{name}");
            for serial in 0_u64.. {
                let durability = if serial.is_multiple_of(16) { Durability::Durable } else { Durability::Written };
                let payload = format!("{}-{serial}", std::process::id());
                let position = append(&log, &name, payload.clone(), durability).await.unwrap();
                println!("told {name} {position} {payload}");
            }
        })
    };
    for publisher in (0..8).map(publish).collect::<Vec<_>>() {
        publisher.await.unwrap();
    }
}

/// Reads what a child was told, kills it after this number of lines, and reads the rest.
fn kill_after(mut child: Child, lines: usize) -> Vec<String> {
    let output = BufReader::new(child.stdout.take().unwrap());
    let mut told = Vec::new();
    // What the child was writing when it was killed may have no end.
    for line in output.split(b'\n').map(|line| String::from_utf8(line.unwrap()).unwrap()) {
        if line.starts_with("told ") {
            told.push(line);
        }
        if told.len() == lines {
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    told
}

#[tokio::test]
async fn no_event_that_a_publisher_was_told_of_is_lost_by_kill_9() {
    let directory = TemporaryDirectory::new("kill");
    let mut told: HashMap<String, HashMap<u64, String>> = HashMap::new();
    let mut epochs = HashMap::new();
    for run in 0..10 {
        let child = child_command("publish", &directory.0).stdout(Stdio::piped()).spawn().unwrap();
        for line in kill_after(child, 100 + 317 * run) {
            let fields: Vec<_> = line.split(' ').collect();
            let [_, name, position, payload] = fields[..] else { continue };
            let (Ok(position), true) = (position.parse::<Position>(), payload.contains('-')) else { continue };
            assert_eq!(*epochs.entry(name.to_owned()).or_insert(position.epoch()), position.epoch());
            let earlier = told.entry(name.to_owned()).or_default().insert(position.offset(), payload.to_owned());
            assert_eq!(earlier, None, "no offset is given twice");
        }
        let log = DiskLog::open(options(&directory.0)).unwrap();
        assert_eq!((log.report().clean, log.report().new_epochs), (false, None));
        for (name, told) in &told {
            let (first, stored) = stored(&log, name).await;
            for (offset, payload) in told.iter().filter(|(offset, _)| **offset >= first) {
                let found = stored.get(usize::try_from(offset - first).unwrap());
                // The last line of a killed process may be cut.
                assert!(found.is_some_and(|found| found.starts_with(payload)), "{name} {offset}: {payload} {found:?}");
            }
        }
    }
    assert!(told.len() == 8 && told.values().all(|told| told.len() > 100), "{:?}", told.len());
}

/// Compiles the library that makes calls of the system fail; `None` without a C compiler.
fn shim(directory: &Path) -> Option<PathBuf> {
    let library = directory.join("shim.so");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/faults/shim.c");
    let mut compiler = Command::new("cc");
    let compiler = compiler.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(source).arg("-ldl");
    match compiler.status() {
        Ok(status) => {
            assert!(status.success());
            Some(library)
        }
        Err(error) => {
            eprintln!("not run: no C compiler: {error}");
            None
        }
    }
}

fn run_with_shim(role: &str) {
    let directory = TemporaryDirectory::new(role);
    let Some(library) = shim(&directory.0) else { return };
    let mut command = child_command(role, &directory.0);
    for fault in ["FAULT_WRITE", "FAULT_FULL", "FAULT_SYNC"] {
        command.env(fault, directory.0.join(fault));
    }
    let output = command.env("LD_PRELOAD", library).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Lets calls of the system fail, as the shim does, or no longer.
fn set_fault(fault: &str, on: bool) {
    let file = std::env::var(fault).unwrap();
    if on { fs::write(file, "").unwrap() } else { fs::remove_file(file).unwrap() }
}

async fn until_it_works(log: &DiskLog) {
    while log.counts().failed {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// While writes fail, events are refused; then everything goes on at the same positions.
async fn writes_fail(directory: &Path, fault: &str) {
    let resets = Arc::new(Mutex::new(0));
    let log = DiskLog::open(options(directory)).unwrap();
    let count = Arc::clone(&resets);
    Log::open(&log, Box::new(move |_| *count.lock().unwrap() += 1));
    let before = append(&log, "a", "1".to_owned(), Durability::Written).await.unwrap();
    set_fault(fault, true);
    assert_eq!(append(&log, "a", "lost".to_owned(), Durability::Written).await, Err(LogUnavailable));
    assert!(log.counts().failed);
    assert_eq!(append(&log, "a", "lost".to_owned(), Durability::Written).await, Err(LogUnavailable));
    assert_eq!(stored(&log, "a").await, (1, vec!["1".to_owned()]), "what is stored stays readable");
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(log.counts().failed, "it does not work before the disk does");
    set_fault(fault, false);
    until_it_works(&log).await;
    let after = append(&log, "a", "2".to_owned(), Durability::Written).await.unwrap();
    assert_eq!(after, Position::new(before.epoch(), 2));
    assert_eq!(stored(&log, "a").await, (1, vec!["1".to_owned(), "2".to_owned()]));
    assert_eq!(*resets.lock().unwrap(), 0);
    drop(log);
    let log = DiskLog::open(options(directory)).unwrap();
    assert_eq!((log.report().clean, log.report().new_epochs, log.report().events), (true, None, 2));
}

/// A failed sync begins new epochs, and the broker is told of them before further events.
async fn a_sync_fails(directory: &Path, durability: Durability) {
    let resets = Arc::new(Mutex::new(Vec::new()));
    let mut options = options(directory);
    if durability == Durability::Written {
        options.sync_interval = Duration::from_millis(20);
    }
    let log = DiskLog::open(options.clone()).unwrap();
    let told = Arc::clone(&resets);
    Log::open(&log, Box::new(move |positions| told.lock().unwrap().push(positions)));
    let before = append(&log, "a", "1".to_owned(), Durability::Written).await.unwrap();
    let without_events = log.admit(&"b".into(), Declared::Yes).unwrap();
    set_fault("FAULT_SYNC", true);
    if durability == Durability::Durable {
        assert_eq!(append(&log, "a", "lost".to_owned(), durability).await, Err(LogUnavailable));
    } else {
        // The event is written and its publisher told so; then the sync of the interval fails.
        let _ = append(&log, "a", "2".to_owned(), durability).await;
        while !log.counts().failed {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    assert_eq!(append(&log, "a", "lost".to_owned(), Durability::Written).await, Err(LogUnavailable));
    set_fault("FAULT_SYNC", false);
    until_it_works(&log).await;
    let mut reset = resets.lock().unwrap().concat();
    reset.sort_by_key(|(name, _)| name.clone());
    let (_, events) = stored(&log, "a").await;
    assert!(!events.contains(&"lost".to_owned()), "a refused event is not stored");
    let after = append(&log, "a", "3".to_owned(), Durability::Durable).await.unwrap();
    let names: Vec<_> = reset.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["a", "b"], "once, with all names");
    assert_eq!((reset[0].1.epoch(), reset[0].1.offset() + 1), (after.epoch(), after.offset()));
    assert_ne!(after.epoch(), before.epoch());
    assert_ne!(reset[1].1.epoch(), without_events.epoch());
    drop(log);
    let log = DiskLog::open(options).unwrap();
    assert_eq!((log.report().clean, log.report().new_epochs), (true, None));
    assert_eq!(log.admit(&"a".into(), Declared::Yes), Some(after));
}

/// Fills a small disk while the history grows, makes room again, and fills it once more when the history has its full length.
async fn the_disk_is_small(directory: &Path) {
    let small = directory.join("small");
    let (mut options, ballast) = (options(&small), small.join("ballast"));
    options.maximum_bytes = 3 << 20;
    let log = DiskLog::open(options).unwrap();
    let publish = async |serial: u64| append(&log, "a", format!("{serial:01000}"), Durability::Written).await;
    let first = publish(0).await.unwrap();
    fs::write(&ballast, vec![1; 7 << 20]).unwrap();
    let mut serial = 1;
    while publish(serial).await.is_ok() {
        serial += 1;
    }
    assert!(serial < 1_000, "{serial} events have room in one mebibyte");
    let expected: Vec<_> = (0..serial).map(|serial| format!("{serial:01000}")).collect();
    assert_eq!(stored(&log, "a").await, (1, expected), "no event is lost");
    fs::remove_file(&ballast).unwrap();
    until_it_works(&log).await;
    for serial in 1..=6_000 {
        publish(serial).await.unwrap_or_else(|_| panic!("{serial} was refused"));
    }
    // From now on the file hardly grows, so a disk that is nearly filled by something else does not matter.
    let free = fs::OpenOptions::new().create(true).append(true).open(&ballast);
    let mut free = free.unwrap();
    while free.write_all(&[1; 4_096]).is_ok() {}
    free.set_len(free.metadata().unwrap().len() - (256 << 10)).unwrap();
    for serial in 0..6_000 {
        publish(serial).await.unwrap_or_else(|_| panic!("{serial} was refused"));
    }
    let counts = log.counts();
    assert!(counts.kept.trimmed_by_total > 9_000 && counts.kept.bytes < 3 << 20, "{counts:?}");
    let top = log.bounds(&"a".into(), Declared::Yes).unwrap();
    assert_eq!((top.epoch, top.top), (first.epoch(), serial + 12_000));
}

#[test]
fn while_writes_fail_with_eio_events_are_refused() {
    run_with_shim("eio");
}

#[test]
fn while_the_disk_is_full_events_are_refused() {
    run_with_shim("full");
}

#[test]
fn a_failed_sync_of_a_durable_event_begins_new_epochs() {
    run_with_shim("sync");
}

#[test]
fn a_failed_sync_of_the_interval_begins_new_epochs() {
    run_with_shim("interval");
}

#[test]
fn a_disk_that_is_filled_loses_nothing_and_recovers() {
    let directory = TemporaryDirectory::new("tmpfs");
    let small = directory.0.join("small");
    fs::create_dir(&small).unwrap();
    let mount = Command::new("mount").args(["-t", "tmpfs", "-o", "size=8m", "tmpfs"]).arg(&small).output();
    if !mount.is_ok_and(|mount| mount.status.success()) {
        eprintln!("not run: a small disk cannot be mounted here");
        return;
    }
    let output = child_command("tmpfs", &directory.0).output().unwrap();
    assert!(Command::new("umount").arg(&small).status().unwrap().success());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
