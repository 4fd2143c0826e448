//! C1, C2 and C5: what a publish costs until it is accepted, Redis, and a node whose clients do not want it.

use std::io;
use std::time::Duration;

use super::nodes::{Cluster, alone};
use super::redis::load_average;
use crate::load::figures::{Cost, median, percentile};
use crate::load::publisher::{EVENT, Publisher, STAMP, notification};
use crate::load::rows::Row;
use crate::load::suite::Bench;
use crate::load::target::{Hub, Target};
use signalhub_load::process::Vitals;

/// How many nodes are added to tell what each one costs Redis.
const FURTHER: usize = 3;

/// Publishes that are in flight at the same time.
const IN_FLIGHT: usize = 64;

/// What publishes cost; microseconds for each.
#[derive(Clone, Copy)]
struct Published {
    /// Until the answer.
    p50: f64,
    /// Publishes in a second.
    rate: f64,
    /// CPU of the node that was asked.
    node: f64,
    /// CPU of Redis.
    redis: f64,
    /// CPU of another node, whose clients want nothing.
    bystander: f64,
}

/// How publishes are sent.
#[derive(Clone, Copy)]
struct Load {
    connections: usize,
    interval: Option<Duration>,
    key: Key,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Key {
    None,
    /// Each publish has an idempotency key of its own.
    New,
}

const ONE: Load = Load { connections: 1, interval: None, key: Key::None };
const MANY: Load = Load { connections: IN_FLIGHT, interval: None, key: Key::None };
const PACED: Load = Load { connections: 8, interval: Some(Duration::from_millis(8)), key: Key::None };

/// What is measured in each round: on a single node, and in a cluster.
const ALONE: [Load; 2] = [ONE, MANY];
const CLUSTER: [Load; 4] = [ONE, MANY, Load { key: Key::New, ..MANY }, PACED];

pub(super) fn costs(bench: &Bench<'_>) -> io::Result<Vec<Row>> {
    let (single, mut cluster) = (alone(bench)?, Cluster::start(bench, 3)?);
    let (mut of_single, mut of_cluster, mut trips) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..bench.arguments.repeat {
        of_single.push(each(&ALONE, |load| publish(bench, load, &single, None))?);
        trips.push(cluster.redis.round_trip(bench.time() / 3)?);
        of_cluster.push(each(&CLUSTER, |load| publish(bench, load, &cluster.nodes[0], Some(&cluster)))?);
    }
    for _ in 0..FURTHER {
        cluster.add(bench)?;
    }
    let further = (0..bench.arguments.repeat).map(|_| publish(bench, MANY, &cluster.nodes[0], Some(&cluster)));
    let further = middle(&further.collect::<io::Result<Vec<_>>>()?);
    let [single, single_many] = [0, 1].map(|load| middle_of(&of_single, load));
    let [one, many, keyed, paced] = [0, 1, 2, 3].map(|load| middle_of(&of_cluster, load));
    let trip = median(trips);
    let mut rows = accepted(&single, &one, trip);
    rows[0] = rows[0].clone().beside(format!("load average {}", load_average()?));
    let each = (further.redis - many.redis) / FURTHER as f64;
    rows.extend([
        Row::new("C1", "publish, 64 in flight: rate", "/s")
            .alone(single_many.rate)
            .cluster(many.rate)
            .beside(format!("with a key {:.0}/s", keyed.rate))
            .goal("≥ 10 000/s", many.rate >= 10_000.0),
        Row::new("C1", "publish, 64 in flight: CPU of the node", "µs").alone(single_many.node).cluster(many.node),
        Row::new("C2", "publish without a key: CPU of Redis", "µs")
            .cluster(many.redis)
            .beside(format!("at 1 000/s {:.1}", paced.redis))
            .goal("≤ 25 µs", many.redis <= 25.0),
        Row::new("C2", "publish with a key: CPU of Redis", "µs")
            .cluster(keyed.redis)
            .goal("≤ 35 µs", keyed.redis <= 35.0),
        Row::new("C2", "each further node: CPU of Redis", "µs")
            .cluster(each)
            .beside(format!("6 nodes {:.1}", further.redis))
            .goal("≤ 2.5 µs", each <= 2.5),
        bystander("64 in flight", &many),
        bystander("1 000/s", &paced),
    ]);
    Ok(rows)
}

fn accepted(single: &Published, one: &Published, trip: f64) -> Vec<Row> {
    let bound = single.p50 + 1.5 * trip;
    vec![
        Row::new("C1", "round trip to Redis: p50", "µs").cluster(trip),
        Row::new("C1", "publish, one at a time: p50", "µs")
            .alone(single.p50)
            .cluster(one.p50)
            .beside(format!("goal is {bound:.0}; {:.1} round trips more", (one.p50 - single.p50) / trip))
            .goal("≤ alone + 1.5 round trips", one.p50 <= bound),
    ]
}

fn bystander(load: &str, published: &Published) -> Row {
    let name = format!("event that no client wants, {load}: CPU of a node");
    let beside = format!("at {:.0}/s", published.rate);
    let cost = published.bystander;
    Row::new("C5", &name, "µs").cluster(cost).beside(beside).goal("≤ 3 µs", cost <= 3.0)
}

fn each<const N: usize>(
    loads: &[Load; N],
    measure: impl FnMut(Load) -> io::Result<Published>,
) -> io::Result<Vec<Published>> {
    loads.iter().copied().map(measure).collect()
}

/// Publishes to a node, which may belong to a cluster.
fn publish(bench: &Bench<'_>, load: Load, node: &Target, cluster: Option<&Cluster>) -> io::Result<Published> {
    let mut hub: Hub = node.hub.clone();
    if load.key == Key::New {
        hub.publish_header += &format!("Idempotency-Key: {STAMP}\r\n");
    }
    let mut publisher = Publisher::with(&hub, load.connections, "", &notification(EVENT, "tickets", 0))?;
    let others = || -> io::Result<[Duration; 2]> {
        let Some(cluster) = cluster else { return Ok([Duration::ZERO; 2]) };
        let last = &cluster.nodes[cluster.nodes.len() - 1];
        Ok([Vitals::of(cluster.redis.process())?.cpu(), last.vitals()?.cpu()])
    };
    let before = others()?;
    let (cost, took) = Cost::of(node.process(), || publisher.repeat(bench.time(), load.interval))?;
    let after = others()?;
    let (count, micros) = (took.len() as f64, |time: Duration| time.as_secs_f64() * 1e6);
    let [redis, bystander] = [0, 1].map(|other| micros(after[other].saturating_sub(before[other])) / count);
    Ok(Published {
        p50: percentile(took.into_iter().map(micros).collect(), 0.50),
        rate: count / cost.wall.as_secs_f64(),
        node: micros(cost.cpu()) / count,
        redis,
        bystander,
    })
}

/// The median of each figure of one load.
fn middle_of(rounds: &[Vec<Published>], load: usize) -> Published {
    middle(&rounds.iter().map(|round| round[load]).collect::<Vec<_>>())
}

fn middle(runs: &[Published]) -> Published {
    let of = |of: fn(&Published) -> f64| median(runs.iter().map(of).collect());
    Published {
        p50: of(|run| run.p50),
        rate: of(|run| run.rate),
        node: of(|run| run.node),
        redis: of(|run| run.redis),
        bystander: of(|run| run.bystander),
    }
}
