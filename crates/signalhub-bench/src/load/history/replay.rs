//! Replays from disk and from memory, and the time that a server takes to open its history after `kill -9`.

use std::io::{self, Write};
use std::net::TcpStream;
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::server::{Server, Store};
use crate::load::figures::{Cost, median};
use crate::load::frames::of_client;
use crate::load::peers::{Peers, call, open, read_until};
use crate::load::publisher::{Publisher, notification};
use crate::load::rows::Row;
use crate::load::suite::Bench;
use crate::load::target::Hub;
use crate::load::wire::Wire;

/// How many event names are written in turn.
const NAMES: usize = 16;

/// How many events one request publishes: less than `publish.maximum_batch_size`, and as many of each name.
const BATCH: usize = 62 * NAMES;

/// How many publishers fill a history.
const FILLERS: usize = 4;

/// How many clients come back at the same time, and how many events each has missed.
const CLIENTS: usize = 100;
const MISSED: usize = 1000;

/// Longer than pages of events are shared among clients.
const UNSHARED: Duration = Duration::from_millis(1100);

/// H5 and H6.
pub(super) fn replay_and_open(bench: &Bench<'_>) -> io::Result<Vec<Row>> {
    let wanted = usize::try_from(bench.arguments.history_events).map_err(io::Error::other)?;
    let mut disk = server(bench, Store::Disk)?;
    let events = fill(&disk, wanted)?;
    let mut looked = (Vec::new(), Vec::new());
    for _ in 0..bench.arguments.repeat {
        sleep(UNSHARED);
        let (cost, ()) = Cost::of(disk.target.process(), || look_at_all(&disk.target.hub))?;
        looked.0.push(events as f64 / cost.cpu().as_secs_f64());
        looked.1.push(events as f64 / cost.wall.as_secs_f64());
    }
    let memory = server(bench, Store::Memory)?;
    fill(&memory, 2 * MISSED * NAMES)?;
    let sent = |server: &Server| {
        let rates = (0..bench.arguments.repeat).map(|_| come_back(&server.target.hub));
        Ok::<_, io::Error>(median(rates.collect::<io::Result<_>>()?))
    };
    let (sent_memory, sent_disk) = (sent(&memory)?, sent(&disk)?);
    drop(memory);
    let (per_core, rate) = (median(looked.0), median(looked.1));
    let looked = Row::new("H5", "replay: events looked at in a second of CPU", "/s").disk(per_core);
    let sent = Row::new("H5", "replay of 1000 events to 100 clients: sent", "/s").memory(sent_memory).disk(sent_disk);
    Ok(vec![
        looked
            .beside(format!("{events} of {NAMES} names, {rate:.0}/s"))
            .goal("≥ 50 000/s and core", per_core >= 50_000.0),
        sent.goal("disk ≥ 200 000/s", sent_disk >= 200_000.0),
        open_after_kill(bench, &mut disk)?,
    ])
}

/// H6: the time until a killed server is ready again, beside one without a history.
fn open_after_kill(bench: &Bench<'_>, disk: &mut Server) -> io::Result<Row> {
    let mut off = Server::start(bench, Store::Off, &[])?;
    let (mut without, mut with, mut extra) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..bench.arguments.repeat {
        without.push(off.restart()?.as_secs_f64());
        // What the last start has tidied up is there again.
        fill(disk, FILLERS * BATCH)?;
        let held = held(disk)? as f64;
        with.push(disk.restart()?.as_secs_f64());
        extra.push((with[with.len() - 1] - without[without.len() - 1]) / held * 1e6);
    }
    let (extra, held) = (median(extra), held(disk)?);
    let row = Row::new("H6", "ready after kill -9", "s").off(median(without)).disk(median(with));
    Ok(row
        .beside(format!("{held} events, {extra:.2} s more for a million"))
        .goal("≤ 1.5 s for a million", extra <= 1.5))
}

/// Starts a server that keeps all of what is published.
fn server(bench: &Bench<'_>, store: Store) -> io::Result<Server> {
    let names: Vec<String> = (0..NAMES).map(name).collect();
    let variables = [
        ("SIGNALHUB_EVENTS__WITH_RESOURCES", names.join(",")),
        ("SIGNALHUB_HISTORY__EVENTS", "10000000".to_owned()),
        ("SIGNALHUB_HISTORY__BYTES", "1GiB".to_owned()),
        ("SIGNALHUB_HISTORY__MAXIMUM_BYTES", "4GiB".to_owned()),
    ];
    Server::start(bench, store, &variables)
}

fn name(number: usize) -> String {
    format!("bench.name-{number}")
}

/// Publishes at least this number of events, of all names in turn. One in 62 of a name is about a rare resource. Tells how many.
fn fill(server: &Server, events: usize) -> io::Result<usize> {
    let before = held(server)?;
    let item = |number: usize| {
        let resource = if number < NAMES { "rare" } else { "tickets" };
        notification(&name(number % NAMES), resource, 0)
    };
    let items: Vec<String> = (0..BATCH).map(item).collect();
    let mut publisher = Publisher::with(&server.target.hub, FILLERS, "", &format!("[{}]", items.join(",")))?;
    let rounds = events.div_ceil(FILLERS * BATCH);
    for _ in 0..rounds {
        publisher.publish()?;
        publisher.settle()?;
    }
    let (kept, published) = (held(server)? - before, rounds * FILLERS * BATCH);
    if kept == published {
        Ok(published)
    } else {
        Err(io::Error::other(format!("{kept} of {published} events are kept")))
    }
}

/// How many events a server keeps.
fn held(server: &Server) -> io::Result<usize> {
    usize::try_from(server.internal.metric("signalhub_history_events")?).map_err(io::Error::other)
}

/// Asks for the rare events of each name, one name after the other, so that the server looks at all events and sends few.
fn look_at_all(hub: &Hub) -> io::Result<()> {
    let mut socket = open(hub)?;
    for number in 0..NAMES {
        let filter = format!(r#"{{"e":"{}","r":[{{"n":"rare"}}],"since":"earliest"}}"#, name(number));
        subscribe(&mut socket, &filter)?;
    }
    Ok(())
}

/// Connects clients that have missed the same events; tells how many events a second were sent to them.
fn come_back(hub: &Hub) -> io::Result<f64> {
    let since_now = format!(r#"{{"e":"{}","since":null}}"#, name(0));
    let answer = subscribe(&mut open(hub)?, &since_now)?;
    let position = answer.split(r#""position":""#).nth(1).and_then(|rest| rest.split('"').next()?.split_once(':'));
    let (epoch, top) = position.ok_or_else(|| io::Error::other(format!("there is no position in {answer}")))?;
    let top: usize = top.parse().map_err(io::Error::other)?;
    let since = format!(r#"{{"e":"{}","since":"{epoch}:{}"}}"#, name(0), top.saturating_sub(MISSED));
    // The first one tells whether the events are there.
    let answer = subscribe(&mut open(hub)?, &since)?;
    if !answer.contains(&format!(r#""replayed":{MISSED},"#)) {
        return Err(io::Error::other(format!("not all events were sent: {}", tail(&answer))));
    }
    let mut peers = Peers::new((0..CLIENTS).map(|_| open(hub)))?;
    sleep(UNSHARED);
    let start = Instant::now();
    peers.send(&of_client(&call(&since)))?;
    // The answer is a message, too.
    let received = peers.receive(CLIENTS, MISSED + 1)?;
    let end = received.into_iter().max().unwrap_or(start);
    Ok((CLIENTS * MISSED) as f64 / end.saturating_duration_since(start).as_secs_f64())
}

/// Calls `Subscribe`, and reads what comes until its answer, which must be without a gap.
fn subscribe(socket: &mut Wire<TcpStream>, filter: &str) -> io::Result<String> {
    socket.write_all(&of_client(&call(filter)))?;
    let mut text = String::new();
    while !text.contains(r#""type":3"#) {
        text.push_str(&read_until(socket, "\u{1e}")?);
    }
    if text.contains(r#""gap":null"#) { Ok(text) } else { Err(io::Error::other(tail(&text).to_owned())) }
}

/// The last record.
fn tail(text: &str) -> &str {
    text.trim_end_matches('\u{1e}').rsplit('\u{1e}').next().unwrap_or_default()
}
