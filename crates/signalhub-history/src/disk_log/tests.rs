use std::collections::HashMap;
use std::fs::{self, File};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use proptest::prelude::*;
use signalhub_events::{Action, Durability, Epoch, Event, Organisation, ResourceName};
use time::macros::datetime;

use super::*;
use crate::NewEpochs;
use crate::testing::*;
use signalhub_events::NameLimits;

const NAME: &str = "shop.resources.changed";

#[tokio::test]
async fn an_event_is_read_as_it_was_appended() {
    let directory = TemporaryDirectory::new();
    let log = open(directory.options());
    let mut full = event(NAME, 5, r#"{"n":"tickets","a":3}"#)
        .with_resource(ResourceName::from("tickets"))
        .with_action(Action::Deleted)
        .with_organisation(Organisation::from("acme"))
        .with_sender("{\"i\":1}".into())
        .with_created(datetime!(1969-12-31 23:59:59.1234567 UTC))
        .with_expires(datetime!(9999-12-31 23:59:59.9999999 UTC));
    full.payload = vec![b'x'; 100_000].into();
    let first = append(&log, full.clone(), Some(idempotency(1)), Durability::Written).await.unwrap();
    let bare = Event::new(NAME.into(), "").with_created(datetime!(2026-01-01 0:00 UTC));
    let second = append(&log, bare.clone(), None, Durability::Durable).await.unwrap();
    assert_eq!((first.offset(), second.offset(), first.epoch() == second.epoch()), (1, 2, true));
    assert_eq!(read_all(&log, NAME).await, [(1, full.clone()), (2, bare.clone())]);
    drop(log);
    assert_eq!(read_all(&open(directory.options()), NAME).await, [(1, full), (2, bare)]);
}

#[tokio::test]
async fn positions_continue_after_a_clean_close() {
    let directory = TemporaryDirectory::new();
    let log = open(directory.options());
    let last = append_some(&log, NAME, 3).await;
    log.close();
    directory.set_boot_id("second");
    let log = open(directory.options());
    let report = log.report();
    assert_eq!((report.events, report.names, report.clean, report.new_epochs), (3, 1, true, None));
    assert_eq!(Log::open(&log, Box::new(|_| ())).names, [(NAME.into(), last)]);
    assert_eq!(append_some(&log, NAME, 1).await, Position::new(last.epoch(), 4));
}

#[tokio::test]
async fn a_name_without_events_keeps_its_epoch() {
    let directory = TemporaryDirectory::new();
    let mut options = directory.options();
    options.names = 0;
    let log = open(options.clone());
    let bounds = log.bounds(&"quiet".into(), Declared::Yes).unwrap();
    assert_eq!((bounds.first, bounds.top), (Some(1), 0));
    assert_eq!(log.counts().kept.names, 0, "a question creates no name");
    assert_eq!(log.bounds(&"quiet".into(), Declared::No), None);
    end_without_closing(&directory, log);
    let log = open(options.clone());
    let position = Position::new(bounds.epoch, 0);
    assert_eq!(log.admit(&"quiet".into(), Declared::Yes), Some(position));
    let other = log.admit(&"other".into(), Declared::Yes).unwrap();
    assert_ne!(other.epoch(), bounds.epoch);
    assert_eq!(append_some(&log, "quiet", 1).await, Position::new(bounds.epoch, 1));
    end_without_closing(&directory, log);
    directory.set_boot_id("second");
    let log = open(options);
    assert_ne!(log.bounds(&"quiet".into(), Declared::Yes).unwrap().epoch, bounds.epoch);
    assert_ne!(log.bounds(&"third".into(), Declared::Yes), None);
    assert_ne!(log.bounds(&"other".into(), Declared::Yes).unwrap().epoch, other.epoch());
}

#[tokio::test]
async fn a_sync_makes_everything_durable_that_was_written() {
    let directory = TemporaryDirectory::new();
    let mut options = directory.options();
    options.sync_interval = Duration::from_secs(3_600);
    let log = open(options);
    append_some(&log, NAME, 3).await;
    let before = log.counts().syncs;
    log.sync().await.unwrap();
    log.sync().await.unwrap();
    append_some(&log, NAME, 1).await;
    assert_eq!(log.counts().syncs - before, 1, "a second one has nothing to do");
    log.close();
    assert_eq!(log.sync().await, Err(LogUnavailable));
    assert!(log.is_durable());
}

#[tokio::test]
async fn events_of_a_closed_history_are_refused() {
    let directory = TemporaryDirectory::new();
    let log = open(directory.options());
    log.close();
    assert_eq!(append(&log, event(NAME, 1, ""), None, Durability::Written).await, Err(LogUnavailable));
}

#[tokio::test]
async fn names_that_are_not_declared_are_limited() {
    let directory = TemporaryDirectory::new();
    let mut options = directory.options();
    options.names = 1;
    let log = open(options.clone());
    assert!(log.admit(&"a".into(), Declared::No).is_some());
    assert_eq!(log.admit(&"b".into(), Declared::No), None);
    assert!(log.admit(&"b".into(), Declared::Yes).is_some());
    assert!(log.admit(&"a".into(), Declared::No).is_some());
    assert_eq!((log.counts().kept.names, log.counts().kept.unrecorded), (2, 1));
    append_some(&log, "a", 1).await;
    drop(log);
    let log = open(options);
    assert_eq!(log.admit(&"c".into(), Declared::No), None, "the names of the file count");
    log.admit(&"a".into(), Declared::Yes);
    log.admit(&"b".into(), Declared::Yes);
    assert!(log.admit(&"c".into(), Declared::No).is_some());
}

#[tokio::test]
async fn outcomes_come_in_the_order_of_the_offsets() {
    let directory = TemporaryDirectory::new();
    let mut options = directory.options();
    options.queue = 3;
    let log = open(options);
    log.admit(&NAME.into(), Declared::Yes);
    let (sender, outcomes) = mpsc::sync_channel(200);
    for serial in 0..200 {
        let sender = sender.clone();
        let durability = if serial % 7 == 0 { Durability::Durable } else { Durability::Written };
        let done = move |result: Result<Position, _>| sender.send(result.unwrap().offset()).unwrap();
        log.append(Append::new(event(NAME, serial, "").into(), None, durability, done)).await.unwrap();
    }
    log.close();
    assert_eq!(outcomes.try_iter().collect::<Vec<_>>(), (1..=200).collect::<Vec<_>>());
    assert!(log.counts().commits < 200, "events share transactions");
}

#[tokio::test]
async fn keys_within_the_window_are_returned_at_open() {
    let directory = TemporaryDirectory::new();
    let log = open(directory.options());
    let mut positions = Vec::new();
    for key in 1..=3 {
        let event = event(NAME, key.into(), "");
        positions.push(append(&log, event, Some(idempotency(key)), Durability::Written).await.unwrap());
    }
    drop(log);
    let publishes = |window, keys| {
        let mut options = directory.options();
        (options.idempotency_window, options.idempotency_keys) = (window, keys);
        Log::open(&open(options), Box::new(|_| ())).publishes
    };
    let found = publishes(Duration::from_secs(600), 2);
    let expected = [2, 3].map(|key| (idempotency(key), u64::from(key), positions[usize::from(key) - 1]));
    let found: Vec<_> =
        found.iter().map(|publish| (publish.idempotency, publish.id.serial(), publish.position)).collect();
    assert_eq!(found, expected);
    assert_eq!(publishes(Duration::ZERO, 2), []);
}

#[tokio::test]
async fn rows_with_keys_outlive_the_limits_of_their_name() {
    let directory = TemporaryDirectory::new();
    let mut options = directory.options();
    options.limits.events = 1;
    let log = open(options.clone());
    append(&log, event(NAME, 1, ""), Some(idempotency(1)), Durability::Written).await.unwrap();
    append_some(&log, NAME, 9).await;
    log.close();
    let log = open(options);
    assert_eq!(Log::open(&log, Box::new(|_| ())).publishes.len(), 1);
    assert_eq!(read_all(&log, NAME).await.len(), 1);
}

/// Leaves the files as `kill -9` does: a copy of them while they are open. The inode changes, so the copy goes over them.
fn end_without_closing(directory: &TemporaryDirectory, log: DiskLog) {
    let files = ["history.sqlite", "history.sqlite-wal"].map(|file| directory.path().join("history").join(file));
    let contents = files.clone().map(|file| fs::read(file).unwrap());
    drop(log);
    files.iter().zip(contents).for_each(|(file, content)| fs::write(file, content).unwrap());
}

#[tokio::test]
async fn positions_hold_when_a_process_ends_without_closing() {
    let directory = TemporaryDirectory::new();
    let log = open(directory.options());
    let last = append_some(&log, NAME, 3).await;
    end_without_closing(&directory, log);
    let log = open(directory.options());
    assert_eq!((log.report().clean, log.report().new_epochs), (false, None));
    assert_eq!(append_some(&log, NAME, 1).await, Position::new(last.epoch(), 4));
}

#[tokio::test]
async fn positions_begin_anew_when_the_machine_was_restarted() {
    let check = async |sync_interval: Duration, boot_id: &str, expected: Option<NewEpochs>| {
        let directory = TemporaryDirectory::new();
        let mut options = directory.options();
        options.sync_interval = sync_interval;
        let log = open(options.clone());
        let last = append_some(&log, NAME, 3).await;
        end_without_closing(&directory, log);
        directory.set_boot_id(boot_id);
        let log = open(options);
        assert_eq!(log.report().new_epochs, expected);
        let next = append_some(&log, NAME, 1).await;
        assert_eq!((next.offset(), next.epoch() == last.epoch()), (4, expected.is_none()));
        assert_eq!(read_all(&log, NAME).await.len(), 4, "the events stay readable");
    };
    check(Duration::from_secs(1), "first", None).await;
    check(Duration::from_secs(1), "second", Some(NewEpochs::MachineRestarted)).await;
    check(Duration::from_secs(1), "", Some(NewEpochs::MachineRestarted)).await;
    check(Duration::ZERO, "second", None).await;
}

/// Leaves the files as a power cut does: the WAL is cut at a place behind what was synced.
async fn end_with_a_power_cut(durable: u64, written: u64, part: u64) -> (DiskLog, Position, TemporaryDirectory) {
    let directory = TemporaryDirectory::new();
    let mut options = directory.options();
    options.sync_interval = Duration::from_secs(3_600);
    let log = open(options.clone());
    let mut last = None;
    for serial in 0..durable {
        last = Some(append(&log, event(NAME, serial, "durable"), None, Durability::Durable).await.unwrap());
    }
    let wal = directory.path().join("history/history.sqlite-wal");
    let synced = fs::metadata(&wal).unwrap().len();
    append_some(&log, NAME, written).await;
    let files = [fs::read(directory.file()).unwrap(), fs::read(&wal).unwrap()];
    drop(log);
    let [file, mut committed] = files;
    let length = synced + (committed.len() as u64 - synced) * part / 100;
    committed.truncate(length.try_into().unwrap());
    fs::write(directory.file(), file).unwrap();
    fs::write(wal, committed).unwrap();
    directory.set_boot_id("second");
    (open(options), last.unwrap(), directory)
}

#[tokio::test]
async fn a_power_cut_loses_no_durable_event_and_begins_new_epochs() {
    for part in [0, 30, 77, 100] {
        let (log, last, directory) = end_with_a_power_cut(5, 10, part).await;
        let events = read_all(&log, NAME).await;
        let durable = events.iter().filter(|(_, event)| &*event.payload == b"durable").count();
        assert_eq!(durable, 5, "{part}");
        assert_eq!(events.len() as u64, 5 + part / 10, "{part}");
        assert_eq!(log.report().new_epochs, Some(NewEpochs::MachineRestarted));
        let next = append_some(&log, NAME, 1).await;
        assert_eq!((next.offset(), next.epoch() == last.epoch()), (events.len() as u64 + 1, false));
        drop((log, directory));
    }
}

#[tokio::test]
async fn positions_begin_anew_when_written_events_are_missing() {
    type Damage = fn(wal: &Path);
    let truncate: Damage = |wal| {
        let length = fs::metadata(wal).unwrap().len();
        File::options().write(true).open(wal).unwrap().set_len(length / 2).unwrap();
    };
    let overwrite: Damage = |wal| {
        let length = fs::metadata(wal).unwrap().len();
        File::options().write(true).open(wal).unwrap().write_all_at(&[0xFF; 64], length / 2).unwrap();
    };
    let damages: [(&str, Damage); 4] = [
        ("removed", |wal| fs::remove_file(wal).unwrap()),
        ("emptied", |wal| drop(File::create(wal).unwrap())),
        ("truncated", truncate),
        ("overwritten", overwrite),
    ];
    for (name, damage) in damages {
        let directory = TemporaryDirectory::new();
        let log = open(directory.options());
        append_some(&log, "other", 3).await;
        let last = append_some(&log, NAME, 20).await;
        end_without_closing(&directory, log);
        damage(&directory.path().join("history/history.sqlite-wal"));
        let log = open(directory.options());
        assert_eq!(log.report().new_epochs, Some(NewEpochs::EventsMissing), "{name}");
        assert_ne!(append_some(&log, NAME, 1).await.epoch(), last.epoch(), "{name}");
        end_without_closing(&directory, log);
        assert_eq!(open(directory.options()).report().new_epochs, None, "{name}: the next run misses nothing");
    }
}

#[tokio::test]
async fn positions_of_a_copied_file_begin_anew() {
    let directory = TemporaryDirectory::new();
    let log = open(directory.options());
    let last = append_some(&log, NAME, 1).await;
    drop(log);
    let copy = directory.path().join("copy");
    fs::copy(directory.file(), &copy).unwrap();
    fs::rename(&copy, directory.file()).unwrap();
    let log = open(directory.options());
    assert_eq!(log.report().new_epochs, Some(NewEpochs::Copied));
    assert_ne!(append_some(&log, NAME, 1).await.epoch(), last.epoch());
}

#[tokio::test]
async fn a_second_history_in_the_same_directory_is_refused() {
    let directory = TemporaryDirectory::new();
    let log = open(directory.options());
    let error = DiskLog::open(directory.options()).unwrap_err();
    assert!(matches!(error, OpenError::Locked { .. }), "{error}");
    assert!(error.to_string().ends_with("history.sqlite: another process uses this history"), "{error}");
    drop(log);
    open(directory.options());
}

#[tokio::test]
async fn files_are_for_their_owner_only() {
    let directory = TemporaryDirectory::new();
    let log = open(directory.options());
    append_some(&log, NAME, 1).await;
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let history = directory.path().join("history");
    assert_eq!(mode(&history), 0o700);
    let files: Vec<_> = fs::read_dir(history).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), 4, "{files:?}");
    files.iter().for_each(|file| assert_eq!(mode(file), 0o600, "{}", file.display()));
}

#[tokio::test]
async fn a_directory_without_a_parent_is_refused() {
    let directory = TemporaryDirectory::new();
    let path = directory.path().join("none/history");
    let error = DiskLog::open(DiskOptions::new(&path)).unwrap_err();
    assert!(matches!(&error, OpenError::NoParent { path: refused } if *refused == path), "{error}");
    assert!(error.to_string().ends_with("none/history: the directory above it does not exist, and is not created"));
}

#[tokio::test]
async fn a_history_that_a_tool_reads_is_opened() {
    let directory = TemporaryDirectory::new();
    let log = open(directory.options());
    append_some(&log, NAME, 1).await;
    let tool = rusqlite::Connection::open(directory.file()).unwrap();
    tool.execute_batch("BEGIN; SELECT * FROM event").unwrap();
    log.close();
    let log = open(directory.options());
    append_some(&log, NAME, 1).await;
    let seen: i64 = tool.query_row("SELECT count(*) FROM event", [], |row| row.get(0)).unwrap();
    assert_eq!(seen, 1, "it reads what it began with");
    log.close();
    drop(tool);
    assert_eq!(read_all(&open(directory.options()), NAME).await.len(), 2);
}

#[tokio::test]
async fn the_nodes_of_runs_without_events_are_forgotten() {
    let directory = TemporaryDirectory::new();
    let mut options = directory.options();
    options.limits.events = 2;
    for run in 1..=3 {
        let log = open(options.clone());
        let mut event = event(NAME, 1, "");
        event.id = Some(signalhub_events::EventId::new(Epoch::new(run), 1));
        event.node = Some(format!("node {run}").into());
        append(&log, event.clone(), None, Durability::Written).await.unwrap();
        append(&log, event, None, Durability::Written).await.unwrap();
    }
    let log = open(options);
    let nodes: Vec<_> = read_all(&log, NAME).await.into_iter().map(|(_, event)| event.node.unwrap()).collect();
    assert_eq!(nodes, ["node 3", "node 3"].map(Arc::from));
    assert!(log.shared.state().runs.len() < 3);
}

#[tokio::test]
async fn a_file_that_cannot_be_read_gives_no_page() {
    let directory = TemporaryDirectory::new();
    let log = open(directory.options());
    append_some(&log, NAME, 1).await;
    log.shared.readers().clear();
    fs::rename(directory.file(), directory.path().join("away")).unwrap();
    assert_eq!(log.read(ReadRange::new(NAME.into(), 0, 10, 10)).await, Err(LogUnavailable));
}

#[tokio::test]
async fn durable_events_and_the_interval_sync() {
    let check = async |sync_interval, durability, syncs| {
        let directory = TemporaryDirectory::new();
        let mut options = directory.options();
        options.sync_interval = sync_interval;
        let log = open(options);
        let before = loop {
            // The costs of the open are counted when the thread has begun.
            let counts = log.counts();
            if counts.syncs > 0 {
                break counts.syncs;
            }
            tokio::task::yield_now().await;
        };
        for serial in 0..10 {
            append(&log, event(NAME, serial, ""), None, durability).await.unwrap();
        }
        let counts = log.counts();
        assert_eq!(counts.syncs - before, syncs);
        assert_eq!(counts.sync_seconds.counts.iter().sum::<u64>(), counts.syncs);
        assert_eq!(counts.commit_seconds.counts.iter().sum::<u64>(), counts.commits);
        assert!(counts.written_bytes > 10 * 1_024, "{counts:?}");
    };
    let long = Duration::from_secs(3_600);
    check(long, Durability::Written, 0).await;
    check(long, Durability::Durable, 10).await;
    check(Duration::ZERO, Durability::Written, 10).await;
}

#[tokio::test]
async fn what_is_not_synced_is_synced_after_the_interval() {
    let directory = TemporaryDirectory::new();
    let mut options = directory.options();
    options.sync_interval = Duration::from_millis(20);
    let log = open(options);
    append_some(&log, NAME, 1).await;
    let before = log.counts().syncs;
    while log.counts().syncs == before {
        tokio::task::yield_now().await;
    }
}

/// What a name should have: all events that were published, and the epoch, once it is known.
#[derive(Debug, Default)]
struct Model {
    events: Vec<Event>,
    epoch: Option<Epoch>,
}

#[derive(Debug, Clone)]
enum Act {
    Append { name: usize, count: usize, payload: usize, keyed: bool },
    Reopen,
    Crash,
    Restart,
    Read { name: usize, after: u64, most: usize },
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        6 => (0..3_usize, 1..40_usize, 0..300_usize, any::<bool>())
            .prop_map(|(name, count, payload, keyed)| Act::Append { name, count, payload, keyed }),
        1 => Just(Act::Reopen),
        1 => Just(Act::Crash),
        1 => Just(Act::Restart),
        6 => (0..3_usize, 0..200_u64, 0..60_usize).prop_map(|(name, after, most)| Act::Read { name, after, most }),
    ]
}

/// A disk log and what it should have.
struct Pair {
    directory: TemporaryDirectory,
    options: DiskOptions,
    log: Option<DiskLog>,
    models: HashMap<EventName, Model>,
    serial: u64,
    boots: u64,
}

impl Pair {
    fn new() -> Self {
        let directory = TemporaryDirectory::new();
        let mut options = directory.options();
        options.limits = NameLimits { events: 50, bytes: 12_000, ..DiskOptions::new("").limits };
        let log = Some(open(options.clone()));
        Self { directory, options, log, models: HashMap::new(), serial: 0, boots: 0 }
    }

    fn log(&self) -> &DiskLog {
        self.log.as_ref().unwrap()
    }

    fn name(index: usize) -> EventName {
        EventName::from(["a", "b", "c"][index])
    }

    async fn act(&mut self, act: Act) {
        match act {
            Act::Append { name, count, payload, keyed } => {
                let name = Self::name(name);
                for _ in 0..count {
                    self.serial += 1;
                    let event = event(name.as_str(), self.serial, &"x".repeat(payload));
                    let key = keyed.then(|| idempotency(u8::try_from(self.serial % 256).unwrap()));
                    let position = append(self.log(), event.clone(), key, Durability::Written).await.unwrap();
                    let model = self.models.entry(name.clone()).or_default();
                    model.events.push(event);
                    assert_eq!(position.offset(), model.events.len() as u64, "offsets have no holes");
                    assert_eq!(position.epoch(), *model.epoch.get_or_insert(position.epoch()));
                }
            }
            Act::Reopen => {
                self.log = None;
                self.log = Some(open(self.options.clone()));
            }
            Act::Crash => self.crash(),
            Act::Restart => {
                self.boots += 1;
                self.directory.set_boot_id(&self.boots.to_string());
                self.crash();
                self.models.values_mut().for_each(|model| model.epoch = None);
            }
            Act::Read { name, after, most } => self.read(&Self::name(name), after, most).await,
        }
    }

    fn crash(&mut self) {
        end_without_closing(&self.directory, self.log.take().unwrap());
        self.log = Some(open(self.options.clone()));
    }

    async fn read(&mut self, name: &EventName, after: u64, most: usize) {
        let bounds = self.log().bounds(name, Declared::Yes).unwrap();
        let Some(model) = self.models.get_mut(name) else {
            return assert_eq!((bounds.first, bounds.top), (Some(1), 0));
        };
        let first = bounds.first.unwrap();
        assert_eq!(bounds.top, model.events.len() as u64);
        assert_eq!(bounds.epoch, *model.epoch.get_or_insert(bounds.epoch));
        assert!(first <= bounds.top + 1);
        let held = bounds.top + 1 - first;
        // A twentieth goes to the sizes of blocks, a tenth is trimmed later.
        assert!(held <= 56, "{held} are stored");
        let bytes_of = |event: &Event| event.payload.len() as u64 + 64;
        let bytes: u64 = model.events.iter().skip(first as usize - 1).map(bytes_of).sum();
        assert!(bytes <= 13_500 + 400, "{bytes} bytes are stored");
        assert!(held >= 40 || bytes >= 10_000 || first == 1, "only {held} with {bytes} bytes are stored");
        let page = read(self.log(), name.as_str(), after, most).await;
        let model = &self.models[name];
        // The writer may trim between the two calls.
        assert!(page.first >= first);
        let from = (after + 1).max(page.events.first().map_or(page.first, |(offset, _)| *offset));
        let expected: Vec<_> =
            (from..).zip(model.events.iter().skip(from as usize - 1)).take(page.events.len()).collect();
        assert_eq!(page.events.iter().map(|(offset, event)| (*offset, &**event)).collect::<Vec<_>>(), expected);
        assert!(page.events.len() <= most);
        let complete = page.events.len() == most || page.through == bounds.top || after >= bounds.top;
        assert!(complete, "{page:?} of {bounds:?}");
        assert_eq!(page.through, page.events.last().map_or(after, |(offset, _)| *offset));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn it_is_a_list_with_limits_that_outlives_its_process(acts in prop::collection::vec(act(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut pair = Pair::new();
            for act in acts {
                pair.act(act).await;
            }
            for name in 0..3 {
                pair.read(&Pair::name(name), 0, 1_000).await;
            }
        });
    }
}
