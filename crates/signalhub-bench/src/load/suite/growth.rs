//! How costs grow: with connections, with subscriptions, and what a second worker brings.

use std::io;

use super::super::figures::{Figure, median};
use super::super::peers::Peers;
use super::super::scenarios::{ALL, Called, Delivered, Rounds, churn, converse, frames_of_calls};
use super::super::target::Target;
use super::{Bench, Side, figure, sides, to_ten};

/// What a delivery costs with more and more receivers.
pub(super) fn connections(bench: &Bench<'_>) -> io::Result<Vec<Figure>> {
    let cost = |(count, rounds)| {
        let run = Rounds { receivers: count, messages: 1, rounds, interval: None };
        let results = bench.interleaved(&mut sides(bench, (count, 1), None)?, |side| side.broadcast(run))?;
        let name = format!("growth: broadcast to {count}: CPU per delivery");
        Ok(figure(&name, "µs", &results, |run| run.cpu))
    };
    [(100, 4000), (1000, 400), (5000, 100), (9000, 60)].into_iter().map(cost).collect()
}

/// What a publish that ten of a thousand want costs with more and more subscriptions of the others.
pub(super) fn subscriptions(bench: &Bench<'_>) -> io::Result<Vec<Figure>> {
    let cost = |each: usize| {
        let name = format!("growth: publish to 10 beside {} subscriptions: CPU", 990 * each);
        to_ten(bench, &name, &|number| resources(number, each), None)
    };
    [1, 10, 101].into_iter().map(cost).collect()
}

/// What it costs to connect, subscribe and leave with more and more subscriptions of other clients.
pub(super) fn visits(bench: &Bench<'_>) -> io::Result<Vec<Figure>> {
    let cost = |(staying, each): (usize, usize)| {
        let server = bench.ours()?;
        let _peers = Peers::of_hub(&server.hub, staying, |number| resources(number, each))?;
        churn(&server, 2000)?;
        let results = bench.interleaved(&mut [server], |server| churn(server, 4000))?;
        let name = format!("growth: connect, subscribe, close beside {} subscriptions: CPU", staying * each);
        Ok(Figure::alone(&name, "µs", median(results[0].clone()), None))
    };
    [(1, 10), (1000, 10), (1000, 100)].into_iter().map(cost).collect()
}

/// A subscription for this number of resources that no other client subscribes to.
pub(super) fn resources(number: usize, count: usize) -> String {
    let names: Vec<String> = (0..count).map(|name| format!(r#"{{"n":"r-{number}-{name}"}}"#)).collect();
    format!(r#"{{"e":"portos.resources.changed","r":[{}]}}"#, names.join(","))
}

/// The throughput with one worker and with two.
pub(super) fn workers(bench: &Bench<'_>) -> io::Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for workers in [1, 2] {
        let start = || Target::ours(bench.arguments.server.clone(), Some(workers));
        let alone =
            |what: &str, rate: f64| Figure::alone(&format!("growth: {workers} workers: {what}"), "/s", rate, None);
        for (messages, rounds, what) in
            [(1, 400, "broadcast to 1000, deliveries"), (16, 60, "bursts to 1000, deliveries")]
        {
            let mut side = [Side::hub(start()?, 1000, (messages, 0), &|_| ALL.to_owned())?];
            let run = Rounds { receivers: 1000, messages, rounds, interval: None };
            let results: Vec<Vec<Delivered>> = bench.interleaved(&mut side, |side| side.broadcast(run))?;
            figures.push(alone(what, median(results[0].iter().map(|run| run.rate).collect())));
        }
        let target = start()?;
        let mut peers = [Peers::of_hub(&target.hub, 64, |_| ALL.to_owned())?];
        let (call, _) = frames_of_calls();
        let results: Vec<Vec<Called>> =
            bench.interleaved(&mut peers, |peers| converse(target.process(), peers, &call, 16))?;
        figures.push(alone("calls, 16 in flight", median(results[0].iter().map(|run| run.rate).collect())));
    }
    Ok(figures)
}
