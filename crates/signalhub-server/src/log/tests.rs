use std::io::{self, Write};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::sync::{Arc, Mutex};

use tracing_subscriber::fmt::MakeWriter;

use super::*;

/// What an attacker would put into a name: a line, an escape sequence in both spellings, a turn of direction.
const FORGED: &str = "x\r\n2026-01-01T00:00:00Z ERROR forged \x1b[31m\u{9b}31m\u{2028}\u{2029}\u{202e}\x7f level=ERROR";

#[derive(Clone, Default)]
struct Memory(Arc<Mutex<Vec<u8>>>);

impl Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Logs what comes from outside in every way there is, and gives the log.
fn log_forged(format: LogFormat, ansi: bool) -> String {
    let memory = Memory::default();
    let queue = LogQueue::start(memory.clone()).unwrap();
    let log = || {
        let span = tracing::info_span!("request", request_id = FORGED, name = %FORGED, names = ?[FORGED]);
        let _entered = span.enter();
        let error = io::Error::other(FORGED);
        tracing::info!(text = FORGED, shown = %FORGED, debugged = ?FORGED, error = &error as &dyn std::error::Error, "{FORGED}");
        tracing::info!(FORGED);
    };
    let builder = tracing_subscriber::fmt();
    match format {
        LogFormat::Text => {
            let builder = builder.fmt_fields(EscapedFields).with_ansi(ansi).with_writer(queue.clone());
            tracing::subscriber::with_default(builder.finish(), log);
        }
        LogFormat::Json => {
            let builder = builder.json().with_writer(JsonLines(queue.clone()));
            tracing::subscriber::with_default(builder.finish(), log);
        }
    }
    queue.flush(Duration::from_secs(10));
    String::from_utf8(memory.0.lock().unwrap().clone()).unwrap()
}

#[test]
fn nothing_from_outside_reaches_a_log_unescaped() {
    for (format, ansi) in [(LogFormat::Text, false), (LogFormat::Text, true), (LogFormat::Json, false)] {
        let log = log_forged(format, ansi);
        assert_eq!(log.lines().count(), 2, "{log}");
        assert!(!log.contains("\x1b[31m") && log.contains('\x1b') == ansi, "{log:?}");
        let unseen = |char: &char| {
            !matches!(char, '\x1b' | '\n') && (char.is_control() || "\u{2028}\u{2029}\u{202e}".contains(*char))
        };
        assert_eq!(log.chars().find(unseen), None, "{log:?}");
        assert!(log.ends_with('\n'));
    }
}

#[test]
fn json_lines_say_the_same_as_before_they_were_escaped() {
    for line in log_forged(LogFormat::Json, false).lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(line["fields"]["message"] == FORGED || line["fields"]["FORGED"] == FORGED, "{line}");
    }
}

#[test]
fn a_value_that_is_more_than_a_plain_word_has_quotes() {
    let memory = Memory::default();
    let queue = LogQueue::start(memory.clone()).unwrap();
    let subscriber = tracing_subscriber::fmt().fmt_fields(EscapedFields).with_ansi(false).without_time();
    tracing::subscriber::with_default(subscriber.with_writer(queue.clone()).finish(), || {
        tracing::info!(count = 3, address = %"[::1]:80", why = %"x level=ERROR", pair = %"a=b", none = %"", label = "taken", "it's \"ü\"");
    });
    queue.flush(Duration::from_secs(10));
    let log = String::from_utf8(memory.0.lock().unwrap().clone()).unwrap();
    let fields = log.split_once("it's").unwrap().1;
    assert_eq!(
        fields,
        " \"ü\" count=3 address=[::1]:80 why=\"x level=ERROR\" pair=\"a=b\" none=\"\" label=\"taken\"\n"
    );
}

/// A stream that does with each write what it is told to.
struct Told(Receiver<io::Result<usize>>, Memory);

impl Write for Told {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.0.recv().unwrap_or(Ok(usize::MAX))?.min(bytes.len());
        self.1.write(&bytes[..count])
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn told() -> (SyncSender<io::Result<usize>>, LogQueue, Memory) {
    let (tell, told) = mpsc::sync_channel(8);
    let memory = Memory::default();
    (tell, LogQueue::start(Told(told, memory.clone())).unwrap(), memory)
}

#[test]
fn logging_never_waits_for_the_stream_and_what_is_kept_is_bounded() {
    let (tell, queue, memory) = told();
    let before = dropped_lines();
    let line = [&[b'x'; 1023][..], b"\n"].concat();
    // Nothing is read yet: this would not end if it waited.
    for _ in 0..5000 {
        queue.make_writer().write_all(&line).unwrap();
    }
    assert!(dropped_lines() - before >= 5000 - 2 * 1024, "{}", dropped_lines() - before);
    drop(tell);
    queue.flush(Duration::from_secs(10));
    let written = memory.0.lock().unwrap().len();
    assert!((1024 * 1024..=2 * 1024 * 1024).contains(&written), "{written}");
}

#[test]
fn a_line_that_was_cut_off_does_not_swallow_the_next_one() {
    let (tell, queue, memory) = told();
    tell.send(Err(io::ErrorKind::Interrupted.into())).unwrap();
    tell.send(Err(io::ErrorKind::WouldBlock.into())).unwrap();
    tell.send(Ok(3)).unwrap();
    tell.send(Err(io::ErrorKind::StorageFull.into())).unwrap();
    queue.push(b"first\n");
    queue.flush(Duration::from_secs(10));
    drop(tell);
    queue.push(b"second\n");
    queue.flush(Duration::from_secs(10));
    assert_eq!(memory.0.lock().unwrap().as_slice(), b"fir\nsecond\n");
}

#[test]
fn the_end_waits_a_bounded_time() {
    let (_tell, queue, _memory) = told();
    queue.push(b"line\n");
    queue.flush(Duration::from_millis(1));
}

#[test]
fn what_a_server_answers_cannot_control_the_terminal_of_a_command() {
    assert_eq!(
        escaped_lines("refused: \u{1b}[2J\u{7}\u{202e}\r\nz\u{e9} \"q\""),
        "refused: \\u{1b}[2J\\u{7}\\u{202e}\\r\nz\u{e9} \"q\""
    );
}

#[tokio::test(start_paused = true)]
async fn the_same_warning_is_written_once_a_second_with_the_number_of_those_that_were_hidden() {
    for (is_json, hidden) in [(false, "a limit was reached connection=5 hidden=4"), (true, "\"hidden\":4}")] {
        let memory = Memory::default();
        let queue = LogQueue::start(memory.clone()).unwrap();
        let warnings = Warnings::default();
        let builder = tracing_subscriber::fmt().with_writer(queue.clone());
        let logging = if is_json {
            let lines = Lines { lines: format().json(), access: format().json(), warnings };
            tracing::subscriber::set_default(builder.json().event_format(lines).finish())
        } else {
            let lines = Lines { lines: format().with_ansi(false), access: format(), warnings };
            let builder = builder.fmt_fields(EscapedFields).with_ansi(false).event_format(lines);
            tracing::subscriber::set_default(builder.finish())
        };
        for id in 0..6 {
            if id == 5 {
                tokio::time::advance(Duration::from_secs(1)).await;
            }
            tracing::warn!(connection = id, "a limit was reached");
            if id < 2 {
                // The same code with another message is another warning.
                tracing::warn!("warning {id}");
                tracing::info!("information");
            }
        }
        drop(logging);
        queue.flush(Duration::from_secs(10));
        let text = String::from_utf8(memory.0.lock().unwrap().clone()).unwrap();
        let count = |part: &str| text.lines().filter(|line| line.contains(part)).count();
        assert_eq!((count("a limit was reached"), count("warning"), count("information")), (2, 2, 2), "{text}");
        assert!(text.trim_end().ends_with(hidden), "{text}");
    }
}

/// Logs text without times and colours while `body` runs, and gives the log.
async fn logged(body: impl AsyncFnOnce()) -> String {
    let memory = Memory::default();
    let queue = LogQueue::start(memory.clone()).unwrap();
    let lines = Lines { lines: format().with_ansi(false), access: format(), warnings: Warnings::default() };
    let builder = tracing_subscriber::fmt().with_writer(queue.clone()).fmt_fields(EscapedFields).with_ansi(false);
    let logging = tracing::subscriber::set_default(builder.event_format(lines).finish());
    body().await;
    drop(logging);
    queue.flush(Duration::from_secs(10));
    String::from_utf8(memory.0.lock().unwrap().clone()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn warnings_with_other_fields_are_others_but_not_with_other_numbers_or_ids() {
    let log = logged(async || {
        for round in 0..3_u64 {
            for issuer in ["https://a.example", "https://b.example"] {
                let (id, took) = (format!("c{round}"), Duration::from_millis(round));
                tracing::warn!(
                    issuer,
                    connection = id,
                    round,
                    ?took,
                    share = 0.5,
                    "the keys of an issuer could not be fetched"
                );
            }
        }
    })
    .await;
    assert_eq!(log.lines().count(), 2, "{log}");
    assert!(log.contains("https://a.example") && log.contains("https://b.example"), "{log}");
}

/// Adds up what the lines of a log tell in `hidden`.
fn hidden_in(log: &str) -> u64 {
    log.lines().filter_map(|line| line.split_once(" hidden=")).map(|(_, count)| count.parse::<u64>().unwrap()).sum()
}

#[tokio::test(start_paused = true)]
async fn beyond_the_memory_warnings_of_one_code_are_the_same_and_all_that_are_hidden_are_told() {
    let warn = |name: u64| tracing::warn!(name = %format_args!("n{name}"), "a name is unknown");
    let log = logged(async || {
        // 1 024 are remembered, one of the others is written.
        (0..2_000).for_each(warn);
        (0..10).for_each(warn);
        tokio::time::advance(Duration::from_secs(1)).await;
        // Other names take the place of those with hidden ones.
        (5_000..5_010).for_each(warn);
    })
    .await;
    let hidden = 2_000 - 1_025 + 10;
    assert_eq!((log.lines().count(), hidden_in(&log)), (1_025 + 10, hidden), "{}", log.lines().last().unwrap());
    assert_eq!(log.lines().filter(|line| line.contains("hidden=")).count(), 1);
}
