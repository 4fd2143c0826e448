//! C7: what a connection costs in a cluster, and a request that reaches another node than its connection.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use super::nodes::{Cluster, alone};
use crate::load::event_stream::{negotiate, open_with_token, send};
use crate::load::figures::{median, percentile};
use crate::load::frames::of_client;
use crate::load::peers::{call, join, open_at, read_until};
use crate::load::rows::Row;
use crate::load::scenarios::{ALL, churn_with};
use crate::load::suite::Bench;
use crate::load::target::{Hub, Target};
use crate::load::wire::Wire;

/// What is posted: a ping.
const PING: &str = "{\"type\":6}\u{1e}";

type Cycle = fn(&Hub) -> io::Result<()>;

/// Connects without and with negotiation.
const CYCLES: [(&str, Cycle); 2] = [
    ("connect, subscribe, close: CPU", |hub| join(hub, ALL).map(drop)),
    ("negotiate, connect, subscribe, close: CPU", negotiated),
];

pub(super) fn costs(bench: &Bench<'_>) -> io::Result<Vec<Row>> {
    let (single, cluster) = (alone(bench)?, Cluster::start(bench, 3)?);
    let mut rows = Vec::new();
    for (name, cycle) in CYCLES {
        let connect = |target: &Target, count| churn_with(target, bench.scaled(count), cycle);
        let mut results = [Vec::new(), Vec::new()];
        for target in [&single, &cluster.nodes[0]] {
            connect(target, 1000)?;
        }
        for _ in 0..bench.arguments.repeat {
            for (target, results) in [&single, &cluster.nodes[0]].into_iter().zip(&mut results) {
                results.push(connect(target, 3000)?);
            }
        }
        let [alone, cluster] = results.map(median);
        let ratio = cluster / alone;
        let row = Row::new("C7", name, "µs").alone(alone).cluster(cluster).beside(format!("{ratio:.2} x alone"));
        rows.push(row.goal("≤ 1.6 x alone", ratio <= 1.6));
    }
    let (stream_alone, token_alone) = open_with_token(&single.hub)?;
    let (stream, token) = open_with_token(&cluster.nodes[0].hub)?;
    let paths = [(&single, &token_alone), (&cluster.nodes[0], &token), (&cluster.nodes[1], &token)];
    let mut results = [const { Vec::new() }; 3];
    for _ in 0..bench.arguments.repeat {
        for ((node, token), results) in paths.iter().zip(&mut results) {
            results.push(post(&node.hub, token, bench.time() / 3)?);
        }
    }
    drop((stream_alone, stream));
    let [alone, local, forwarded] = results.map(median);
    let more = forwarded - local;
    rows.push(Row::new("C7", "POST to a stream of the node that is asked: p50", "µs").alone(alone).cluster(local));
    let row = Row::new("C7", "POST to a stream of another node: p50", "µs").cluster(forwarded);
    rows.push(row.beside(format!("{more:.0} more")).goal("≤ 250 µs more", more <= 250.0));
    Ok(rows)
}

fn negotiated(hub: &Hub) -> io::Result<()> {
    let token = negotiate(&mut Wire::connect(hub)?, hub)?;
    let mut socket = open_at(hub, &format!("{}?id={token}", hub.path))?;
    socket.write_all(&of_client(&call(ALL)))?;
    read_until(&mut socket, "\u{1e}").map(drop)
}

/// Posts to an event stream over one connection, one request after the other; microseconds, p50.
fn post(hub: &Hub, token: &str, time: Duration) -> io::Result<f64> {
    let (mut socket, mut took) = (Wire::connect(hub)?, Vec::new());
    let end = Instant::now() + time;
    while Instant::now() < end {
        let start = Instant::now();
        send(&mut socket, hub, token, PING)?;
        took.push(start.elapsed().as_secs_f64() * 1e6);
    }
    Ok(percentile(took, 0.50))
}
