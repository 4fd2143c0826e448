//! What a run has found: a line of JSON, a table, and what is not as it should be.

use std::time::Duration;

use serde::Serialize;

use super::machine::{Cpu, Moment};
use super::orders::{Round, Status};
use crate::load::report::{aligned, number};

/// All that was found.
#[derive(Debug, Serialize)]
pub(super) struct Outcome {
    pub(super) asked: usize,
    pub(super) nodes: usize,
    /// Connections and subscriptions that the nodes counted when all were open.
    pub(super) counted: [u64; 2],
    /// What the generators held at the end.
    pub(super) status: Status,
    /// How many connections have a further subscription.
    pub(super) chosen: usize,
    pub(super) opened: Opened,
    pub(super) idle: Idle,
    pub(super) taken: Taken,
    pub(super) to_all: Vec<Delivery>,
    pub(super) to_chosen: Vec<Delivery>,
}

/// What opening the connections took.
#[derive(Debug, Serialize)]
pub(super) struct Opened {
    pub(super) held: usize,
    pub(super) limit: Limit,
    pub(super) cpu: Cpu,
}

/// Why no more connections were opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) enum Limit {
    /// All were opened.
    None,
    /// Little memory was left.
    Memory,
    /// No more were accepted for a minute.
    Time,
}

/// What holding the connections took.
#[derive(Debug, Serialize)]
pub(super) struct Idle {
    /// Seconds between two pings of a connection in each direction.
    pub(super) keep_alive: u64,
    pub(super) pings_of_nodes: u64,
    pub(super) pings_of_clients: u64,
    pub(super) cpu: Cpu,
}

/// The memory that the connections take, in bytes for each.
#[derive(Debug, Serialize)]
pub(super) struct Taken {
    pub(super) nodes: f64,
    pub(super) generators: f64,
    /// For both ends.
    pub(super) kernel: f64,
    /// The part of it in slabs.
    pub(super) slab: f64,
    /// Of all nodes before there were connections, for each node.
    pub(super) empty_node: f64,
    /// Of the whole Redis server.
    pub(super) redis: u64,
    /// Of the machine, before and with the connections.
    pub(super) available: [u64; 2],
}

/// What the delivery of an event took; times are in seconds since it was published.
#[derive(Debug, Serialize)]
pub(super) struct Delivery {
    pub(super) reached: usize,
    /// Connections that did not receive what they should have.
    pub(super) wrong: usize,
    pub(super) receipt: f64,
    pub(super) p50: f64,
    pub(super) p99: f64,
    pub(super) last: f64,
    pub(super) cpu: Cpu,
}

impl Taken {
    /// Compares the nodes without connections with those that hold this number of them.
    pub(super) fn between(empty: &Moment, held: &Moment, nodes: usize, connections: usize) -> Self {
        let each = |before: u64, after: u64| (after as f64 - before as f64) / connections.max(1) as f64;
        Self {
            nodes: each(empty.nodes.resident, held.nodes.resident),
            generators: each(0, held.generators.resident),
            kernel: each(empty.memory.kernel, held.memory.kernel),
            slab: each(empty.memory.slab, held.memory.slab),
            empty_node: empty.nodes.resident as f64 / nodes.max(1) as f64,
            redis: held.redis.resident,
            available: [empty.memory.available, held.memory.available],
        }
    }
}

impl Delivery {
    /// Puts together what all generators have counted since this time.
    pub(super) fn new(rounds: &[Round], published: Duration, receipt: Duration, cpu: Cpu) -> Self {
        let mut arrivals: Vec<(u64, u64)> = rounds.iter().flat_map(|round| round.arrivals.iter().copied()).collect();
        arrivals.sort_unstable();
        let count: u64 = arrivals.iter().map(|(_, count)| count).sum();
        let since = |microseconds: u64| (microseconds as f64 / 1e6 - published.as_secs_f64()).max(0.0);
        let last = since(rounds.iter().map(|round| round.last).max().unwrap_or_default());
        let percentile = |share: f64| {
            let (mut missing, wanted) = (count, count as f64 * (1.0 - share));
            let found = arrivals.iter().find(|(_, arrived)| {
                missing -= arrived;
                missing as f64 <= wanted
            });
            // The end of the millisecond.
            found.map_or(0.0, |(millisecond, _)| since((millisecond + 1) * 1000).min(last))
        };
        Self {
            reached: rounds.iter().map(|round| round.reached).sum(),
            wrong: rounds.iter().map(|round| round.wrong).sum(),
            receipt: receipt.as_secs_f64(),
            p50: percentile(0.50),
            p99: percentile(0.99),
            last,
            cpu,
        }
    }
}

impl Outcome {
    /// Lists what is not as it should be. That there was no room for all connections is not among it.
    pub(super) fn problems(&self) -> Vec<String> {
        let Status { held, lost, failed, first_problem, .. } = &self.status;
        let mut problems = Vec::new();
        if *lost > 0 || *failed > 0 {
            let first = first_problem.as_deref().unwrap_or("unknown");
            problems.push(format!("{lost} connections were lost and {failed} not opened; the first problem: {first}"));
        }
        if self.opened.limit == Limit::Time {
            problems.push(format!("only {} of {} connections were accepted", self.opened.held, self.asked));
        }
        let counted = u64::try_from(self.opened.held).unwrap_or(u64::MAX);
        if self.counted != [counted; 2] {
            let [connections, subscriptions] = self.counted;
            problems.push(format!("the nodes counted {connections} connections and {subscriptions} subscriptions"));
        }
        for (deliveries, meant) in [(&self.to_all, *held), (&self.to_chosen, self.chosen)] {
            for Delivery { reached, wrong, .. } in deliveries {
                if *reached != meant || *wrong > 0 {
                    problems.push(format!("an event reached {reached} of {meant} connections once, {wrong} wrongly"));
                }
            }
        }
        problems
    }
}

/// The table for people, in Markdown.
pub(super) fn table(outcome: &Outcome) -> String {
    let mut rows = vec![["", "unit", "", "beside"].map(str::to_owned), [(); 4].map(|()| "-".to_owned())];
    let mut row = |name: &str, unit: &str, value: f64, beside: String| {
        rows.push([name.to_owned(), unit.to_owned(), number(value), beside]);
    };
    opening_rows(outcome, &mut row);
    memory_rows(outcome, &mut row);
    idle_rows(&outcome.idle, &mut row);
    delivery_rows("event to all", &outcome.to_all, &mut row);
    delivery_rows("event to ten", &outcome.to_chosen, &mut row);
    aligned(&rows)
}

/// Takes a name, a unit, a value and a remark.
type AddRow<'a> = &'a mut dyn FnMut(&str, &str, f64, String);

fn opening_rows(outcome: &Outcome, row: AddRow<'_>) {
    let Opened { held, limit, cpu } = &outcome.opened;
    let limit = match limit {
        Limit::None => format!("all of {}", outcome.asked),
        Limit::Memory => format!("memory ended before {}", outcome.asked),
        Limit::Time => format!("no more of {} were accepted", outcome.asked),
    };
    row("subscribed connections", "", *held as f64, format!("{limit}; {} nodes", outcome.nodes));
    row("opened and subscribed", "/s", *held as f64 / cpu.wall, format!("in {:.0} s", cpu.wall));
    let each = |seconds: f64| seconds * 1e6 / (*held).max(1) as f64;
    let beside = format!(
        "generators {:.0}, Redis {:.1}, machine {:.0}",
        each(cpu.generators),
        each(cpu.redis),
        each(cpu.machine)
    );
    row("connect and subscribe: CPU of the nodes", "µs", each(cpu.nodes), beside);
}

fn memory_rows(outcome: &Outcome, row: AddRow<'_>) {
    let (taken, kibibytes) = (&outcome.taken, |bytes: f64| bytes / 1024.0);
    let mebibytes = |bytes: f64| format!("{:.0} MiB", bytes / 1024.0 / 1024.0);
    let empty = format!("a node without connections: {}", mebibytes(taken.empty_node));
    row("memory of the nodes, each connection", "KiB", kibibytes(taken.nodes), empty);
    let slab = format!("in slabs {}", number(kibibytes(taken.slab)));
    row("memory of the kernel, both ends of each connection", "KiB", kibibytes(taken.kernel), slab);
    let redis = format!("Redis in all: {}", mebibytes(taken.redis as f64));
    row("memory of the generators, each connection", "KiB", kibibytes(taken.generators), redis);
    let [before, with] = taken.available.map(|bytes| mebibytes(bytes as f64));
    let all = taken.nodes + taken.generators + taken.kernel;
    let beside = format!("available: {before} before, {with} with them");
    row("all of these, each connection", "KiB", kibibytes(all), beside);
}

fn idle_rows(idle: &Idle, row: AddRow<'_>) {
    let Idle { keep_alive, pings_of_nodes, pings_of_clients, cpu } = idle;
    let rate = |count: u64| count as f64 / cpu.wall;
    let pings = pings_of_nodes + pings_of_clients;
    let beside = format!(
        "{:.0}/s of nodes, {:.0}/s of clients, every {keep_alive} s",
        rate(*pings_of_nodes),
        rate(*pings_of_clients)
    );
    row("pings", "/s", rate(pings), beside);
    let [generators, redis, machine] =
        [cpu.generators, cpu.redis, cpu.machine].map(|seconds| number(seconds / cpu.wall));
    let beside = format!("generators {generators}, Redis {redis}, machine {machine}");
    row("idle but for pings: processors of the nodes", "", cpu.nodes / cpu.wall, beside);
    let each = |seconds: f64| seconds * 1e6 / pings.max(1) as f64;
    row(
        "a ping, in either direction: CPU of the nodes",
        "µs",
        each(cpu.nodes),
        format!("machine {:.1}", each(cpu.machine)),
    );
}

fn delivery_rows(what: &str, deliveries: &[Delivery], row: AddRow<'_>) {
    for (number, Delivery { reached, receipt, p50, p99, last, cpu, .. }) in deliveries.iter().enumerate() {
        let name = format!("{what}, {}: until the last connection has it", number + 1);
        let times = format!("{reached} once; p50 {p50:.3} s, p99 {p99:.3} s, receipt {:.1} ms", receipt * 1e3);
        row(&name, "ms", last * 1e3, times);
        let Cpu { nodes, generators, redis, machine, .. } = cpu;
        let beside = format!("generators {generators:.2}, Redis {redis:.2}, machine {machine:.2}");
        row(&format!("{what}, {}: CPU of the nodes", number + 1), "s", *nodes, beside);
    }
}

#[cfg(test)]
mod tests;
