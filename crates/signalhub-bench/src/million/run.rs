//! The run itself: nodes, connections, a time in which nothing is sent but pings, and events.

use std::io;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::children::Children;
use super::cluster::{self, Cluster, Counted, Options};
use super::generators::Generators;
use super::machine::{Memory, Moment, open_files};
use super::orders::{Answer, Order, Receivers, Setup, Status};
use super::report::{Delivery, Idle, Limit, Opened, Outcome, Taken};
use super::{Arguments, note};
use crate::load::publisher::{EVENT, notification};

/// How many of the files that a process may have open are not for connections: a node keeps some free, and has links to Redis.
const RESERVED_FILES: usize = 1_400;

/// How many connections the event for few reaches.
const CHOSEN: usize = 10;

/// The resources of the two events: all connections subscribe to one, and a few to the other.
const OF_ALL: &str = "tickets";
const OF_CHOSEN: &str = "devices";

/// When no further connection has been opened for this long, those that are open must do.
const STALLED: Duration = Duration::from_secs(60);

/// How long a generator may take for an answer, and an event until it has reached the last connection.
const TIMEOUT: Duration = Duration::from_secs(120);

/// How long events that come twice are waited for.
const AFTERMATH: Duration = Duration::from_secs(1);

/// How often the available memory is looked at, and how often the progress is told.
const GLANCE: Duration = Duration::from_millis(100);
const PROGRESS: Duration = Duration::from_secs(10);

/// All processes of a run.
struct Stand<'a> {
    arguments: &'a Arguments,
    children: &'a mut Children,
    cluster: Cluster,
    generators: Generators,
}

/// Runs everything, and leaves the processes to the caller.
pub(super) async fn run(arguments: &Arguments, children: &mut Children) -> io::Result<Outcome> {
    let asked = usize::try_from(arguments.connections).map_err(io::Error::other)?;
    let nodes = node_count(arguments, asked)?;
    let mut stand = Stand::start(arguments, children, nodes).await?;
    let empty = stand.look()?;
    note(&format!("{nodes} nodes are a cluster; {asked} connections follow"));
    let opened = stand.open(asked).await?;
    let Counted { connections, subscriptions } = stand.cluster.counted().await?;
    note(&format!("the nodes count {connections} connections and {subscriptions} subscriptions"));
    let (idle, held) = stand.hold().await?;
    let taken = Taken::between(&empty, &held, nodes, stand.status().await?.held);
    let chosen = stand.choose().await?;
    let (mut to_all, mut to_chosen) = (Vec::new(), Vec::new());
    for _ in 0..arguments.rounds {
        to_all.push(stand.deliver(Receivers::All, OF_ALL).await?);
        to_chosen.push(stand.deliver(Receivers::Chosen, OF_CHOSEN).await?);
    }
    let status = stand.status().await?;
    let counted = [connections, subscriptions];
    Ok(Outcome { asked, nodes, counted, status, chosen, opened, idle, taken, to_all, to_chosen })
}

/// How many nodes there are: each has room for its part of the connections.
fn node_count(arguments: &Arguments, connections: usize) -> io::Result<usize> {
    let room = open_files().saturating_sub(RESERVED_FILES).max(1);
    let needed = connections.div_ceil(room);
    match arguments.nodes.map_or(Ok(needed), usize::try_from) {
        Ok(nodes) if nodes >= needed => Ok(nodes),
        _ => Err(io::Error::other(format!(
            "{connections} connections need {needed} nodes with this limit of open files (ulimit -n)"
        ))),
    }
}

impl<'a> Stand<'a> {
    /// Starts Redis and the nodes.
    async fn start(arguments: &'a Arguments, children: &'a mut Children, nodes: usize) -> io::Result<Self> {
        let options = Options {
            binary: cluster::binary(arguments.server.as_deref())?,
            worker_threads: arguments.worker_threads,
            keep_alive: arguments.keep_alive(),
        };
        let mut cluster = Cluster::start(children, options).await?;
        for _ in 0..nodes {
            cluster.add(children).await?;
        }
        Ok(Self { arguments, children, cluster, generators: Generators::default() })
    }

    fn look(&self) -> io::Result<Moment> {
        Moment::now(&self.cluster.processes(), &self.generators.processes, self.cluster.redis)
    }

    /// What all generators hold.
    async fn status(&mut self) -> io::Result<Status> {
        self.generators.order_all(&Order::Status).await?;
        let pick = |answer| if let Answer::Status(status) = answer { Some(status) } else { None };
        Ok(self.generators.all(TIMEOUT, pick).await?.into_iter().fold(Status::default(), Status::with))
    }

    /// Opens connections until all are open, or until there is no room for more.
    async fn open(&mut self, connections: usize) -> io::Result<Opened> {
        let tokens = self.cluster.tokens().await?;
        let (nodes, before) = (self.cluster.nodes.len(), self.look()?);
        let concurrency = usize::try_from(self.arguments.concurrency).unwrap_or(usize::MAX);
        for number in 0..nodes {
            let setup = Setup {
                node: self.cluster.nodes[number].public,
                path: "/signalr/v1/mainHub".to_owned(),
                tokens: tokens.clone(),
                source: self.generators.next_source(),
                connections: connections / nodes + usize::from(number < connections % nodes),
                in_flight: (concurrency / nodes).max(1),
                ping_interval: self.arguments.keep_alive(),
                subscription: subscription(OF_ALL),
            };
            self.generators.add(self.children, &setup).await?;
        }
        let (status, limit) = self.until_open(nodes).await?;
        Ok(Opened { held: status.held, limit, cpu: self.look()?.cpu_since(&before) })
    }

    /// Waits until all generators have opened their connections, or stops them when memory ends.
    async fn until_open(&mut self, nodes: usize) -> io::Result<(Status, Limit)> {
        let spare = self.arguments.spare_memory << 20;
        let (mut held, mut all, mut opened, mut limit) = (vec![0; nodes], Status::default(), 0, Limit::None);
        let (mut most, mut advanced, mut told) = (0, Instant::now(), Instant::now());
        while opened < nodes {
            match self.generators.next(GLANCE).await? {
                Some((number, Answer::Opening { held: now })) => held[number] = now,
                Some((number, Answer::Opened(status))) => {
                    held[number] = status.held;
                    all = all.with(status);
                    opened += 1;
                }
                Some(_) | None => {}
            }
            let (sum, available) = (held.iter().sum::<usize>(), Memory::now()?.available);
            if sum > most {
                (most, advanced) = (sum, Instant::now());
            }
            let reached = match limit {
                Limit::None if available < spare => Limit::Memory,
                Limit::None if advanced.elapsed() > STALLED => Limit::Time,
                _ if advanced.elapsed() > STALLED + TIMEOUT => {
                    return Err(io::Error::other("connections are neither opened nor refused"));
                }
                limit => limit,
            };
            if reached != limit {
                limit = reached;
                self.generators.order_all(&Order::Enough).await?;
            }
            if told.elapsed() > PROGRESS {
                told = Instant::now();
                note(&format!("{sum} connections; {} MiB of memory are available", available >> 20));
                self.check_children()?;
            }
        }
        Ok((all, limit))
    }

    fn check_children(&mut self) -> io::Result<()> {
        let ended = self.children.ended().map(|name| io::Error::other(format!("{name} has ended")));
        ended.map_or(Ok(()), Err)
    }

    /// Holds the connections for a time, and measures what that takes.
    async fn hold(&mut self) -> io::Result<(Idle, Moment)> {
        let (first, before, time) = (self.status().await?, self.look()?, self.arguments.hold());
        let mut told = Instant::now();
        while let Some(left) = time.checked_sub(before.at.elapsed()).filter(|left| !left.is_zero()) {
            tokio::time::sleep(left.min(Duration::from_secs(1))).await;
            self.check_children()?;
            if told.elapsed() > PROGRESS {
                told = Instant::now();
                note(&format!("held for {} s", before.at.elapsed().as_secs()));
            }
        }
        let after = self.look()?;
        let last = self.status().await?;
        let idle = Idle {
            keep_alive: self.arguments.keep_alive,
            pings_of_nodes: last.pings_received - first.pings_received,
            pings_of_clients: last.pings_sent - first.pings_sent,
            cpu: after.cpu_since(&before),
        };
        Ok((idle, after))
    }

    /// Subscribes a few connections, at nodes far from each other, to one more resource. Tells how many they are.
    async fn choose(&mut self) -> io::Result<usize> {
        let generators = self.generators.count();
        let mut numbers = vec![Vec::new(); generators];
        for chosen in 0..CHOSEN {
            // The number of the generator, and how many it has already.
            let generator = chosen * generators / CHOSEN;
            let next = numbers[generator].len();
            numbers[generator].push(next);
        }
        for (generator, numbers) in numbers.into_iter().enumerate() {
            let order = Order::Choose { numbers, subscription: subscription(OF_CHOSEN) };
            self.generators.order(generator, &order).await?;
        }
        let pick = |answer| if let Answer::Chosen(count) = answer { Some(count) } else { None };
        Ok(self.generators.all(TIMEOUT, pick).await?.into_iter().sum())
    }

    /// Publishes an event about a resource, and waits until all that are meant have it.
    async fn deliver(&mut self, receivers: Receivers, resource: &str) -> io::Result<Delivery> {
        self.generators.order_all(&Order::Begin(receivers)).await?;
        // Generators without receivers are complete at once.
        let (mut begun, mut complete) = (0, 0);
        while begun < self.generators.count() {
            match self.generators.next(TIMEOUT).await? {
                Some((_, Answer::Begun)) => begun += 1,
                Some((_, Answer::Complete)) => complete += 1,
                Some(_) => {}
                None => return Err(io::Error::other("generators did not begin to count")),
            }
        }
        let (before, published) = (self.look()?, SystemTime::now());
        self.cluster.publish(&notification(EVENT, resource, 0)).await?;
        let receipt = published.elapsed().unwrap_or_default();
        while complete < self.generators.count() {
            match self.generators.next(TIMEOUT).await? {
                Some((_, Answer::Complete)) => complete += 1,
                Some(_) => {}
                // What is missing is told below.
                None => break,
            }
        }
        let after = self.look()?;
        tokio::time::sleep(AFTERMATH).await;
        self.generators.order_all(&Order::Finish).await?;
        let pick = |answer| if let Answer::Finished(round) = answer { Some(round) } else { None };
        let rounds = self.generators.all(TIMEOUT, pick).await?;
        let published = published.duration_since(UNIX_EPOCH).unwrap_or_default();
        let delivery = Delivery::new(&rounds, published, receipt, after.cpu_since(&before));
        note(&format!("an event reached {} connections in {:.3} s", delivery.reached, delivery.last));
        Ok(delivery)
    }
}

/// The argument of `Subscribe` for events about a resource.
fn subscription(resource: &str) -> String {
    format!(r#"{{"e":"{EVENT}","r":[{{"n":"{resource}"}}]}}"#)
}
