//! The suite: how each scenario runs, and which goal its figures are compared with.

mod growth;
mod tls;

use std::io;
use std::net::TcpStream;
use std::time::Duration;

use super::Arguments;
use super::event_stream;
use super::figures::{Figure, Goal, median};
use super::peers::{Peers, join};
use super::publisher::OTHER;
use super::raw::Raw;
use super::scenarios::{self, ALL, Called, Delivered, Idle, Rounds, Source, broadcast, converse};
use super::target::{Hub, Target};
use super::wire::Wire;

type Scenario = fn(&Bench<'_>) -> io::Result<Vec<Figure>>;

/// All of them, in the order of the table.
const SCENARIOS: [(&str, Scenario); 15] = [
    ("broadcast-1000", |bench| isolated(bench, 1000, 400)),
    ("broadcast-5000", |bench| isolated(bench, 5000, 100)),
    ("bursts", bursts),
    ("paced", paced),
    ("selective", selective),
    ("filters", filters),
    ("calls", calls),
    ("idle", idle),
    ("churn", churn),
    ("stuck", stuck),
    ("tls", tls::beside_plain),
    ("growth-connections", growth::connections),
    ("growth-subscriptions", growth::subscriptions),
    ("growth-visits", growth::visits),
    ("growth-workers", growth::workers),
];

/// What all scenarios need.
pub(super) struct Bench<'a> {
    pub(super) arguments: &'a Arguments,
}

/// A server and its connected peers.
pub(super) struct Side {
    source: Source,
    peers: Peers,
    /// It ends with this value.
    server: Server,
}

enum Server {
    Hub(Target),
    Raw(#[expect(dead_code, reason = "it is held for its end")] Raw),
}

/// Runs the scenarios whose names begin as wanted.
pub(super) fn run(arguments: &Arguments) -> io::Result<Vec<Figure>> {
    let bench = Bench { arguments };
    let mut figures = Vec::new();
    for (name, scenario) in SCENARIOS.iter().filter(|(name, _)| name.starts_with(&arguments.only)) {
        figures.extend(scenario(&bench).map_err(|error| io::Error::other(format!("{name}: {error}")))?);
    }
    Ok(figures)
}

impl Bench<'_> {
    fn ours(&self) -> io::Result<Target> {
        Target::ours(self.arguments.server.clone(), None)
    }

    fn reference(&self) -> io::Result<Option<Target>> {
        self.arguments.reference.as_deref().map(Target::other).transpose()
    }

    /// Measures each side in turn, several times.
    pub(super) fn interleaved<T, S>(
        &self,
        sides: &mut [S],
        mut measure: impl FnMut(&mut S) -> io::Result<T>,
    ) -> io::Result<Vec<Vec<T>>> {
        let mut all: Vec<Vec<T>> = sides.iter().map(|_| Vec::new()).collect();
        for _ in 0..self.arguments.repeat {
            for (side, results) in sides.iter_mut().zip(&mut all) {
                results.push(measure(side)?);
            }
        }
        Ok(all)
    }
}

impl Side {
    pub(super) fn hub(
        target: Target,
        count: usize,
        load: (usize, usize),
        filter: &dyn Fn(usize) -> String,
    ) -> io::Result<Self> {
        let peers = Peers::of_hub(&target.hub, count, filter)?;
        let source = Source::hub(&target, load.0, load.1)?;
        Ok(Self { source, peers, server: Server::Hub(target) })
    }

    fn raw(count: usize, length: u32) -> io::Result<Self> {
        let raw = Raw::start("raw-send", count)?;
        let peers = Peers::of_raw(&raw.address, count)?;
        let source = Source::raw(&raw, length)?;
        Ok(Self { source, peers, server: Server::Raw(raw) })
    }

    pub(super) fn broadcast(&mut self, run: Rounds) -> io::Result<Delivered> {
        broadcast(&mut self.source, &mut self.peers, run)
    }

    /// Connects one more subscriber of a hub whose socket is not read.
    fn join(&self, subscription: &str) -> io::Result<Wire<TcpStream>> {
        match &self.server {
            Server::Hub(target) => join(&target.hub, subscription),
            Server::Raw(_) => Err(io::Error::other("raw sockets have no subscriptions")),
        }
    }
}

/// Our hub, raw sockets and perhaps another hub, each with this number of peers that receive everything.
fn sides(bench: &Bench<'_>, (count, messages): (usize, usize), other: Option<Target>) -> io::Result<Vec<Side>> {
    let everything = |_| ALL.to_owned();
    let mut ours = Side::hub(bench.ours()?, count, (messages, 0), &everything)?;
    // The first one warms up, and tells how long what is delivered is.
    ours.broadcast(Rounds { receivers: count, messages, rounds: 3, interval: None })?;
    let mut sides = vec![Side::raw(count, ours.peers.last_length())?];
    sides.insert(0, ours);
    if let Some(target) = other {
        let mut other = Side::hub(target, count, (messages, 0), &everything)?;
        other.broadcast(Rounds { receivers: count, messages, rounds: 20, interval: None })?;
        sides.push(other);
    }
    Ok(sides)
}

/// One figure of all sides: ours, raw sockets, the other server.
fn figure(name: &str, unit: &'static str, results: &[Vec<Delivered>], of: fn(&Delivered) -> f64) -> Figure {
    let side = |side: &Vec<Delivered>| median(side.iter().map(of).collect());
    let name = name.to_owned();
    Figure {
        name,
        unit,
        ours: side(&results[0]),
        raw: results.get(1).map(side),
        reference: results.get(2).map(side),
        goal: None,
    }
}

impl Figure {
    /// Compares it with a goal.
    fn with_goal(mut self, id: &'static str, text: &'static str, met: impl FnOnce(&Self) -> bool) -> Self {
        let met = met(&self);
        self.goal = Some(Goal { id, text, met });
        self
    }

    /// How many times cheaper than raw sockets it is.
    fn of_raw(&self) -> f64 {
        self.raw.unwrap_or(f64::NAN) / self.ours
    }

    /// A figure without a baseline.
    fn alone(name: &str, unit: &'static str, ours: f64, reference: Option<f64>) -> Self {
        Self { name: name.to_owned(), unit, ours, raw: None, reference, goal: None }
    }
}

fn isolated(bench: &Bench<'_>, count: usize, rounds: usize) -> io::Result<Vec<Figure>> {
    let run = Rounds { receivers: count, messages: 1, rounds, interval: None };
    let results = bench.interleaved(&mut sides(bench, (count, 1), bench.reference()?)?, |side| side.broadcast(run))?;
    let name = |what: &str| format!("broadcast to {count}: {what}");
    let cpu = figure(&name("CPU per delivery"), "µs", &results, |run| run.cpu);
    let cpu = match count {
        1000 => cpu.with_goal("G1", "≥ 0.90 of raw", |cpu| cpu.of_raw() >= 0.90),
        _ => cpu.with_goal("G1", "≥ 0.85 of raw", |cpu| cpu.of_raw() >= 0.85),
    };
    let user = figure(&name("user time per delivery"), "µs", &results, |run| run.user);
    Ok(vec![
        cpu,
        user.with_goal("G3", "≤ 0.3 µs", |user| user.ours <= 0.3),
        figure(&name("deliveries"), "/s", &results, |run| run.rate),
        figure(&name("last receiver, p99"), "ms", &results, |run| run.p99),
    ])
}

fn bursts(bench: &Bench<'_>) -> io::Result<Vec<Figure>> {
    const MESSAGES: usize = 16;
    let run = Rounds { receivers: 1000, messages: MESSAGES, rounds: 60, interval: None };
    let mut all = sides(bench, (1000, MESSAGES), bench.reference()?)?;
    let results = bench.interleaved(&mut all, |side| side.broadcast(run))?;
    // What the kernel takes at least: the same bytes, those of a burst in one `send`.
    let whole = all[0].peers.last_length() * MESSAGES as u32;
    all.truncate(1);
    all.push(Side::raw(1000, whole)?);
    let one_send = bench.interleaved(&mut all, |side| match side.source {
        Source::Hub(..) => side.broadcast(run),
        Source::Raw { .. } => side.broadcast(Rounds { messages: 1, ..run }),
    })?;
    let cpu = figure("bursts of 16 to 1000: CPU per delivery", "µs", &results, |run| run.cpu);
    let mut bound =
        figure("bursts of 16 to 1000: beside one raw send for all of a burst", "µs", &one_send, |run| run.cpu);
    bound.raw = bound.raw.map(|raw| raw / MESSAGES as f64);
    Ok(vec![
        cpu.with_goal("G2", "≥ 8 x raw", |cpu| cpu.of_raw() >= 8.0),
        bound,
        figure("bursts of 16 to 1000: user time per delivery", "µs", &results, |run| run.user),
        figure("bursts of 16 to 1000: deliveries", "/s", &results, |run| run.rate),
    ])
}

fn paced(bench: &Bench<'_>) -> io::Result<Vec<Figure>> {
    let run = Rounds { receivers: 1000, messages: 1, rounds: 100, interval: Some(Duration::from_millis(50)) };
    let results = bench.interleaved(&mut sides(bench, (1000, 1), bench.reference()?)?, |side| side.broadcast(run))?;
    let p99 = figure("20/s to 1000: last receiver, p99", "ms", &results, |run| run.p99);
    Ok(vec![
        figure("20/s to 1000: last receiver, p50", "ms", &results, |run| run.p50),
        p99.with_goal("G5", "≤ 1.15 x raw", |p99| p99.ours <= 1.15 * p99.raw.unwrap_or(0.0)),
    ])
}

/// Publishes to the ten of a thousand that want it; the filters of the others are given.
fn to_ten(
    bench: &Bench<'_>,
    name: &str,
    other: &dyn Fn(usize) -> String,
    reference: Option<Target>,
) -> io::Result<Figure> {
    let filter = |number: usize| if number.is_multiple_of(100) { ALL.to_owned() } else { other(number) };
    let mut sides = vec![Side::hub(bench.ours()?, 1000, (1, 0), &filter)?];
    if let Some(target) = reference {
        sides.push(Side::hub(target, 1000, (1, 0), &filter)?);
    }
    let run = Rounds { receivers: 10, messages: 1, rounds: 2000, interval: None };
    let results = bench.interleaved(&mut sides, |side| side.broadcast(run))?;
    let side = |side: &Vec<Delivered>| median(side.iter().map(|run| run.per_message).collect());
    Ok(Figure::alone(name, "µs", side(&results[0]), results.get(1).map(side)))
}

fn selective(bench: &Bench<'_>) -> io::Result<Vec<Figure>> {
    let other = |_| format!(r#"{{"e":"{OTHER}"}}"#);
    let cpu = to_ten(bench, "publish that 10 of 1000 want: CPU", &other, bench.reference()?)?;
    Ok(vec![cpu.with_goal("", "≤ 120 µs", |cpu| cpu.ours <= 120.0)])
}

fn filters(bench: &Bench<'_>) -> io::Result<Vec<Figure>> {
    let other = |number| growth::resources(number, 10);
    let cpu = to_ten(bench, "the same beside 10 000 distinct filters: CPU", &other, None)?;
    Ok(vec![cpu.with_goal("G11", "≤ 120 µs", |cpu| cpu.ours <= 120.0)])
}

fn calls(bench: &Bench<'_>) -> io::Result<Vec<Figure>> {
    const CLIENTS: usize = 64;
    let (call, echo) = scenarios::frames_of_calls();
    let (ours, raw, other) = (bench.ours()?, Raw::start("raw-echo", CLIENTS)?, bench.reference()?);
    let subscription = |_| format!(r#"{{"e":"{OTHER}"}}"#);
    let mut sides = vec![
        (ours.process(), Peers::of_hub(&ours.hub, CLIENTS, subscription)?, &call),
        (raw.process(), Peers::of_raw(&raw.address, CLIENTS)?, &echo),
    ];
    if let Some(other) = &other {
        sides.push((other.process(), Peers::of_hub(&other.hub, CLIENTS, subscription)?, &call));
    }
    let mut figures = Vec::new();
    for (depth, words) in [(1, "one at a time"), (16, "16 in flight")] {
        let results =
            bench.interleaved(&mut sides, |(process, peers, frame)| converse(*process, peers, frame, depth))?;
        let side = |results: &Vec<Called>, of: fn(&Called) -> f64| median(results.iter().map(of).collect());
        let all = |name: String, unit, of: fn(&Called) -> f64| Figure {
            name,
            unit,
            ours: side(&results[0], of),
            raw: results.get(1).map(|results| side(results, of)),
            reference: results.get(2).map(|results| side(results, of)),
            goal: None,
        };
        let cpu = all(format!("calls, {words}: CPU per call"), "µs", |run| run.cpu);
        figures.push(match depth {
            1 => cpu.with_goal("G7", "≥ 0.80 of raw", |cpu| cpu.of_raw() >= 0.80),
            _ => cpu.with_goal("", "≤ 2.5 µs", |cpu| cpu.ours <= 2.5),
        });
        figures.push(all(format!("calls, {words}: calls"), "/s", |run| run.rate));
    }
    Ok(figures)
}

fn idle(bench: &Bench<'_>) -> io::Result<Vec<Figure>> {
    let hold = Duration::from_secs(32);
    let web_sockets = |target: &Target, hold| scenarios::idle(target, 5000, hold, |hub: &Hub| join(hub, ALL));
    let Idle { memory, cpu } = web_sockets(&bench.ours()?, hold)?;
    let other = bench.reference()?.map(|target| web_sockets(&target, hold)).transpose()?;
    let events = scenarios::idle(&bench.ours()?, 2000, Duration::from_secs(1), event_stream::open)?;
    Ok(vec![
        Figure::alone("idle WebSocket with one subscription: memory", "KiB", memory, other.map(|other| other.memory))
            .with_goal("G4", "≤ 4 KiB", |memory| memory.ours <= 4.0),
        Figure::alone("idle event stream: memory", "KiB", events.memory, None)
            .with_goal("G4", "≤ 16 KiB", |memory| memory.ours <= 16.0),
        Figure::alone("idle WebSocket: CPU in a second", "µs", cpu, other.map(|other| other.cpu)).with_goal(
            "G8",
            "≤ 2 µs",
            |cpu| cpu.ours <= 2.0,
        ),
    ])
}

fn churn(bench: &Bench<'_>) -> io::Result<Vec<Figure>> {
    let mut sides = vec![bench.ours()?];
    sides.extend(bench.reference()?);
    for side in &sides {
        scenarios::churn(side, 2000)?;
    }
    let results = bench.interleaved(&mut sides, |side| scenarios::churn(side, 4000))?;
    let cpu = Figure::alone(
        "connect, subscribe, close: CPU",
        "µs",
        median(results[0].clone()),
        results.get(1).cloned().map(median),
    );
    Ok(vec![cpu.with_goal("G6", "≤ 90 µs", |cpu| cpu.ours <= 90.0)])
}

fn stuck(bench: &Bench<'_>) -> io::Result<Vec<Figure>> {
    // After some 300 of these the queue of the one that does not read is full.
    const PADDING: usize = 4 * 1024;
    let run = Rounds { receivers: 1000, messages: 1, rounds: 400, interval: None };
    let mut p99 = [Vec::new(), Vec::new()];
    let hub = bench.ours()?;
    let mut side = Side::hub(hub, 1000, (1, PADDING), &|_| ALL.to_owned())?;
    side.broadcast(run)?;
    // Both run on one server in turn, because two servers differ by more.
    for _ in 0..4 * bench.arguments.repeat {
        p99[0].push(side.broadcast(run)?.p99);
        let reader = side.join(ALL)?;
        p99[1].push(side.broadcast(run)?.p99);
        drop(reader);
    }
    let [without, with] = p99.map(median);
    let ratio =
        Figure::alone("one stuck reader beside 1000: p99 of the others, with it to without", "x", with / without, None);
    Ok(vec![ratio.with_goal("G10", "≤ 1.05", |ratio| ratio.ours <= 1.05)])
}
