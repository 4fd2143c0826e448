use serde_json::{Value, json};
use time::macros::datetime;
use tokio::time::Instant;

use super::super::filter::Filter;
use super::*;

fn sample(overview: Value, connections: &[Value], rest: Rest) -> Sample {
    let next = (rest == Rest::More).then_some("x");
    let page = serde_json::from_value(json!({"value": connections, "next": next})).unwrap();
    let overview = serde_json::from_value(overview).unwrap();
    Sample::new(overview, page, Instant::now(), datetime!(2026-11-28 12:00:00 UTC))
}

fn overview() -> Value {
    json!({
        "node": "hub-1", "version": "0.1.0", "uptime_seconds": 93_784.0, "phase": "serving",
        "connections": {"active": 10_213, "suspended": 4, "waiting": 0, "by_transport": {}, "by_protocol": {}},
        "subscriptions": 3, "published_total": 9, "matched_total": 9,
        "rates": {"10s": {"published": 12.34, "deliveries": 4200.0, "connects": 0.1}},
        "latency": {"60s": {"p50": 0.000_42, "p90": 0.001, "p99": 0.0077, "max": 0.02}},
        "queued_bytes": 1_258_291, "slow": 1, "refusals": {"connections": 12, "publishes": 0},
        "memory": 220_200_960, "fds": {"open": 10_240, "limit": 65_536}
    })
}

fn ann() -> Value {
    json!({
        "id": "9dhiTSfD9k4V5rSvEZ48Tw", "user": "ann", "organisation": "acme", "transport": "web_sockets",
        "protocol": "json", "address": "10.0.0.7:50122", "since": "2026-11-28T09:55:00Z", "idle_seconds": 3.2,
        "subscriptions": 2, "sent": 88_120, "received": 1032, "deliveries": 214, "queued_bytes": 0, "stateful": false
    })
}

fn bob() -> Value {
    json!({
        "id": "c7QkJ1PLu0mSgY6kRb2xzA", "user": "bob", "transport": "long_polling", "protocol": "messagepack",
        "address": "10.0.0.8:1", "since": "2026-11-28T11:59:48Z", "idle_seconds": 0.4, "subscriptions": 1,
        "sent": 1_048_576, "received": 99, "deliveries": 4000, "queued_bytes": 524_288, "queued_oldest_seconds": 2.5
    })
}

fn texts(lines: &[Line]) -> String {
    lines.iter().map(|line| format!("{}\n", line.text.trim_end())).collect()
}

fn screen(view: &mut View, sample: Option<Sample>, width: usize, height: usize) -> Vec<Line> {
    let lines = draw(view, &Latest { sample, failure: None }, Size { width, height });
    assert_eq!(lines.len(), height);
    for line in &lines {
        assert!(width < 40 || line.text.width() <= width, "{} of {width} columns: {line:?}", line.text.width());
    }
    lines
}

#[test]
fn eighty_columns_have_the_figures_and_the_important_columns() {
    let lines =
        screen(&mut View::new(Column::Queued), Some(sample(overview(), &[ann(), bob()], Rest::Nothing)), 80, 10);
    let expected = "\
hub-1  0.1.0  up 1d02h  serving
connections 10213  suspended 4  publishes 12/s  deliveries 4200/s  p50 0.42 ms
p99 7.70 ms  queued 1.2M  slow 1  memory 210M  files 10240 of 65536
refused:  connections 12
USER      ID            VIA     SUBS  QUEUED▼     SENT     DELIV    IDLE     AGE
bob       c7QkJ1PLu0m…  poll       1     512K     1.0M      4000    0.4s     12s
ann       9dhiTSfD9k4…  ws         2        0      86K       214    3.2s   2h05m


1–2 of 2          q quit  ←→ sort  r reverse  / filter  t rates  p pause  ? help
";
    let shown = texts(&lines);
    assert_eq!(shown, expected);
    let styles: Vec<Style> = lines.iter().map(|line| line.style).collect();
    use Style::{Alarm, Heading, Plain, Quiet, Title, Warning};
    assert_eq!(styles, [Title, Plain, Plain, Alarm, Heading, Warning, Plain, Plain, Plain, Quiet]);
}

#[test]
fn columns_go_one_after_another_when_there_is_less_room_and_the_sorted_one_stays() {
    let titles = |width, column| {
        let lines = screen(&mut View::new(column), Some(sample(json!({}), &[ann()], Rest::Nothing)), width, 6);
        lines
            .iter()
            .find(|line| line.style == Style::Heading)
            .unwrap()
            .text
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
    };
    for (width, shown) in [
        (200, "USER ID ORG VIA PROTO ADDRESS SUBS QUEUED▼ OLDEST SENT RECV DELIV IDLE AGE"),
        (100, "USER ID ORG VIA ADDRESS SUBS QUEUED▼ SENT DELIV IDLE AGE"),
        (80, "USER ID VIA SUBS QUEUED▼ SENT DELIV IDLE AGE"),
        (60, "USER ID VIA SUBS QUEUED▼ SENT DELIV"),
        (40, "USER ID QUEUED▼ SENT"),
        (20, "USER QUEUED▼"),
        (7, "QUEUED▼"),
        (1, ""),
    ] {
        assert_eq!(titles(width, Column::Queued), shown, "{width} columns");
    }
    assert_eq!(titles(20, Column::Protocol), "USER PROTO▲");
}

#[test]
fn any_size_of_terminal_and_any_answer_can_be_drawn() {
    for width in [0, 1, 2, 9, 59, 300] {
        for height in [0, 1, 2, 3, 4, 24] {
            for mut view in [View::new(Column::Age), View::new(Column::User)] {
                for mode in [Mode::Table, Mode::Help, Mode::Prompt { text: "ann".repeat(200), problem: None }] {
                    view.mode = mode;
                    let latest =
                        Latest { sample: Some(sample(overview(), &[ann(), json!({})], Rest::More)), failure: None };
                    assert_eq!(draw(&mut view, &latest, Size { width, height }).len(), height);
                }
            }
        }
    }
}

#[test]
fn names_cannot_disturb_the_screen() {
    let mut evil = ann();
    evil["user"] = json!("\u{1b}[2J\r\n<script>\u{202e}");
    evil["id"] = json!("\u{9b}");
    let mut overview = overview();
    overview["node"] = json!("\u{7}node");
    overview["refusals"] = json!({"\u{1b}c": 1});
    let mut view = View::new(Column::User);
    view.filter = Filter::parse("\u{1b}x").unwrap();
    let latest = Latest {
        sample: Some(sample(overview, &[evil], Rest::Nothing)),
        failure: Some("no answer: \u{1b}[31m\n".to_owned()),
    };
    let shown = draw(&mut view, &latest, Size { width: 200, height: 12 });
    assert!(shown.iter().all(|line| !line.text.contains(char::is_control)), "{shown:?}");
    let shown = texts(&shown);
    for escape in [
        "\\u{1b}[2J\\r\\n<script>\\u{202e}",
        "\\u{9b}",
        "\\u{7}node",
        "\\u{1b}c 1",
        "filter: \\u{1b}x",
        "answer: \\u{1b}[31m\\n",
    ] {
        assert!(shown.contains(escape), "{escape} in {shown}");
    }
}

#[test]
fn rows_are_sorted_by_any_column_in_both_directions() {
    let first = |column, direction| {
        let mut view = View::new(column);
        view.sort.direction = direction;
        let lines = screen(&mut view, Some(sample(json!({}), &[ann(), bob()], Rest::Nothing)), 200, 6);
        let heading = lines.iter().position(|line| line.style == Style::Heading).unwrap();
        lines[heading + 1].text.split(' ').next().unwrap().to_owned()
    };
    for (column, natural) in [
        (Column::User, "ann"),
        (Column::Id, "ann"),
        (Column::Organisation, "bob"),
        (Column::Transport, "bob"),
        (Column::Protocol, "ann"),
        (Column::Address, "ann"),
        (Column::Subscriptions, "ann"),
        (Column::Queued, "bob"),
        (Column::Oldest, "bob"),
        (Column::Sent, "bob"),
        (Column::Received, "ann"),
        (Column::Deliveries, "bob"),
        (Column::Idle, "ann"),
        (Column::Age, "ann"),
    ] {
        let reversed = if natural == "ann" { "bob" } else { "ann" };
        assert_eq!(first(column, Direction::Natural), natural, "{column:?}");
        assert_eq!(first(column, Direction::Reversed), reversed, "{column:?}");
    }
}

#[test]
fn the_last_line_says_which_rows_are_shown_and_how() {
    let rows: Vec<Value> = (0..30).map(|number| json!({"id": format!("{number:02}")})).collect();
    let mut view = View::new(Column::Id);
    view.filter = Filter::parse("ann slow").unwrap();
    view.sampling = Sampling::Paused;
    view.amounts = Amounts::Rates;
    view.offset = 1000;
    let lines = screen(&mut view, Some(sample(json!({}), &rows, Rest::More)), 120, 13);
    let footer = lines.last().unwrap().text.trim_end();
    assert_eq!(
        footer.split_whitespace().collect::<Vec<_>>().join(" "),
        "paused filter: ann slow 22–30 of the first 30 by queued per second ? help"
    );
    let shown = texts(&lines);
    assert!(shown.contains("\n–         21 ") && shown.contains("SENT/S"), "{shown}");
    view.mode = Mode::Prompt { text: "colour=red".to_owned(), problem: Filter::parse("colour=red").err() };
    let footer = screen(&mut view, None, 120, 5).pop().unwrap();
    assert_eq!(footer.style, Style::Alarm);
    assert!(footer.text.starts_with("filter: colour=red_ (\"colour\" is no part of a connection"), "{footer:?}");
}

#[test]
fn a_table_that_is_printed_once_has_every_column_in_full() {
    let printed = print(&View::new(Column::User), &sample(overview(), &[ann(), bob()], Rest::Nothing), usize::MAX);
    let lines: Vec<&str> = printed.lines().collect();
    assert_eq!(lines.len(), 6, "{printed}");
    assert!(
        lines[4].starts_with("ann       9dhiTSfD9k4V5rSvEZ48Tw  acme      ws    json     10.0.0.7:50122"),
        "{printed}"
    );
}
