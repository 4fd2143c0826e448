//! C3, C4 and C8: from a publish at one node to sockets at another, and after the other one was cut off from Redis.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use super::nodes::{Cluster, alone};
use super::proxy::Proxy;
use super::redis::publish;
use super::stamps::{Event, Subscriber, body, now};
use crate::load::figures::{median, percentile};
use crate::load::peers::Peers;
use crate::load::publisher::Publisher;
use crate::load::rows::Row;
use crate::load::scenarios::{self, ALL, Delivered, Rounds, Source};
use crate::load::suite::Bench;
use crate::load::target::Hub;

/// 1 000 events a second: this number of connections, each this often.
const CONNECTIONS: usize = 8;
const INTERVAL: Duration = Duration::from_millis(8);

/// How long events may still come after the last publish.
const PATIENCE: Duration = Duration::from_secs(20);

/// A subscriber that gets events this young has caught up.
const YOUNG: Duration = Duration::from_millis(50);

/// How long events are published before a cut and after it.
const BEFORE: Duration = Duration::from_secs(1);
const AFTER: Duration = Duration::from_secs(3);

/// How many connections receive a broadcast.
const RECEIVERS: usize = 1000;

/// The channel on which servers of a hub broadcast, with the default `cluster.hub`.
const ALL_CHANNEL: &str = "Signalhub.MainHub:all";

/// C3.
pub(super) fn latency(bench: &Bench<'_>) -> io::Result<Vec<Row>> {
    let (single, cluster) = (alone(bench)?, Cluster::start(bench, 3)?);
    let pairs = [(&single.hub, &single.hub), (&cluster.nodes[0].hub, &cluster.nodes[1].hub)];
    let mut results = [const { (Vec::new(), Vec::new()) }; 2];
    for _ in 0..bench.arguments.repeat {
        for ((from, to), results) in pairs.iter().zip(&mut results) {
            let events = carry(from, to, bench.time(), || ())?;
            let ages: Vec<f64> = events.iter().map(|event| event.age().as_secs_f64() * 1e3).collect();
            results.0.push(percentile(ages.clone(), 0.50));
            results.1.push(percentile(ages, 0.99));
        }
    }
    let [alone, cluster] = results.map(|(p50, p99)| [median(p50), median(p99)]);
    let row = |name: &str, of: usize| Row::new("C3", name, "ms").alone(alone[of]).cluster(cluster[of]);
    Ok(vec![
        row("1 000/s, publish until the socket of another node: p50", 0).goal("≤ 1 ms", cluster[0] <= 1.0),
        row("1 000/s, publish until the socket of another node: p99", 1).goal("≤ 5 ms", cluster[1] <= 5.0),
    ])
}

/// C4.
pub(super) fn catch_up(bench: &Bench<'_>) -> io::Result<Vec<Row>> {
    let cut = Duration::from_secs_f64(bench.arguments.cluster_cut);
    let mut cluster = Cluster::start(bench, 2)?;
    let proxy = Proxy::start(cluster.redis.address.clone())?;
    cluster.add_by(bench, &proxy.address)?;
    let (mut mended, mut results) = (Duration::ZERO, [const { Vec::new() }; 3]);
    for _ in 0..bench.arguments.repeat {
        let [from, to] = [0, 2].map(|node| &cluster.nodes[node].hub);
        let events = carry(from, to, BEFORE + cut + AFTER, || {
            sleep(BEFORE);
            proxy.cut();
            sleep(cut);
            proxy.mend();
            mended = now();
        })?;
        let missed: Vec<Event> = events.into_iter().filter(|event| event.received > mended).collect();
        let caught_up = missed.iter().position(|event| event.age() < YOUNG);
        let (Some(first), Some(count)) = (missed.first(), caught_up) else {
            return Err(io::Error::other("the node did not catch up while events were published"));
        };
        let (first, end) = (first.received, missed[count].received);
        let replayed = end.saturating_sub(first).as_secs_f64();
        results[0].push(end.saturating_sub(mended).as_secs_f64());
        results[1].push(replayed);
        results[2].push(count as f64 / replayed);
    }
    let [whole, replayed, rate] = results.map(median);
    let row = |name: &str, unit| Row::new("C4", &format!("cut of {:.0} s at 1 000/s, {name}", cut.as_secs_f64()), unit);
    Ok(vec![
        row("from its end until caught up", "s")
            .cluster(whole)
            .beside("with the wait before a link is opened again".to_owned()),
        row("from the first event until caught up", "s").cluster(replayed).goal("≤ 0.5 s", replayed <= 0.5),
        row("events caught up", "/s").cluster(rate).goal("≥ 50 000/s", rate >= 50_000.0),
    ])
}

/// Publishes 1 000 events a second at one node for a time, while something is done; gives those that a subscriber of a node
/// received, which must be all of them.
fn carry(from: &Hub, to: &Hub, time: Duration, meanwhile: impl FnOnce()) -> io::Result<Vec<Event>> {
    let mut subscriber = Subscriber::join(to)?;
    let mut publisher = Publisher::with(from, CONNECTIONS, "", &body())?;
    let expected = AtomicUsize::new(usize::MAX);
    thread::scope(|scope| {
        let receiving = scope.spawn(|| {
            let (mut events, mut until) = (Vec::new(), None);
            while events.len() < expected.load(Ordering::Relaxed) {
                subscriber.read(&mut events)?;
                if expected.load(Ordering::Relaxed) != usize::MAX {
                    let until = *until.get_or_insert_with(|| Instant::now() + PATIENCE);
                    if Instant::now() > until {
                        break;
                    }
                }
            }
            Ok::<_, io::Error>(events)
        });
        let publishing = scope.spawn(|| publisher.repeat(time, Some(INTERVAL)));
        meanwhile();
        let panicked = |_| io::Error::other("a thread panicked");
        let published = publishing.join().map_err(panicked)?.map(|took| took.len());
        // The receiver ends also when nothing more is published.
        expected.store(*published.as_ref().unwrap_or(&0), Ordering::Relaxed);
        let (events, published) = (receiving.join().map_err(panicked)??, published?);
        match events.len() {
            received if received == published => Ok(events),
            received => Err(io::Error::other(format!("{published} events were published and {received} received"))),
        }
    })
}

/// C8.
pub(super) fn broadcast(bench: &Bench<'_>) -> io::Result<Vec<Row>> {
    let (single, cluster) = (alone(bench)?, Cluster::start(bench, 3)?);
    let everything = |_| ALL.to_owned();
    let (near, far) = (&single, &cluster.nodes[1]);
    let mut to_near = (Source::hub(&single, 1, 0)?, Peers::of_hub(&near.hub, RECEIVERS, everything)?);
    let mut to_far = (Source::hub(&cluster.nodes[0], 1, 0)?, Peers::of_hub(&far.hub, RECEIVERS, everything)?);
    let rounds = bench.scaled(300);
    let run = Rounds { receivers: RECEIVERS, messages: 1, rounds, interval: None };
    let (mut alone, mut across, mut hub) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..bench.arguments.repeat {
        alone.push(scenarios::broadcast(&mut to_near.0, &mut to_near.1, run)?.rate);
        across.push(scenarios::broadcast(&mut to_far.0, &mut to_far.1, run).map(|run: Delivered| run.rate)?);
        hub.extend(send(&cluster, &mut to_far.1, rounds)?);
    }
    let row = |name: &str| Row::new("C8", name, "/s");
    let hub_row = row("hub message of another server to all 1 000: deliveries");
    Ok(vec![
        row("event to 1 000 at another node: deliveries").alone(median(alone)).cluster(median(across)),
        match hub.is_empty() {
            true => hub_row.beside("not run: the nodes do not listen to hub messages of other servers".to_owned()),
            false => hub_row.cluster(median(hub)).beside("the original on Redis was not run".to_owned()),
        },
    ])
}

/// Sends hub messages as another server of the hub does: one after the other, each once the last connection has the one before.
/// Deliveries in a second; `None` if no node listens.
fn send(cluster: &Cluster, peers: &mut Peers, rounds: usize) -> io::Result<Option<f64>> {
    let mut redis = cluster.redis.connect()?;
    let message = format!(r#"{{"type":1,"target":"Notify","arguments":["{}"]}}"#, "x".repeat(250));
    let payload = envelope(&message);
    let start = Instant::now();
    for _ in 0..rounds {
        if publish(&mut redis, ALL_CHANNEL, &payload)? == 0 {
            return Ok(None);
        }
        peers.receive(RECEIVERS, 1)?;
    }
    Ok(Some((rounds * RECEIVERS) as f64 / start.elapsed().as_secs_f64()))
}

/// What servers of ASP.NET Core SignalR send each other: no connection is excluded, and the message is there in JSON.
fn envelope(message: &str) -> Vec<u8> {
    let record = [message.as_bytes(), b"\x1e"].concat();
    let length = u16::try_from(record.len()).unwrap_or(u16::MAX).to_be_bytes();
    [b"\x92\x90\x81\xa4json\xc5".as_slice(), &length, &record].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_envelope_is_a_message_pack_array_with_the_whole_record() {
        assert_eq!(envelope("{}"), b"\x92\x90\x81\xa4json\xc5\0\x03{}\x1e");
    }
}
