//! The nodes: servers that share a Redis server.

use std::io;

use super::redis::Redis;
use crate::load::internal::Internal;
use crate::load::suite::Bench;
use crate::load::target::{Target, free_port};

const SECRET: &str = "signalhub-bench signs what its nodes forward with this";

/// Enough for the longest cut.
const HISTORY_EVENTS: &str = "1000000";

/// Some nodes and their Redis server; dropping this value stops them.
pub(super) struct Cluster {
    pub(super) nodes: Vec<Target>,
    pub(super) redis: Redis,
}

impl Cluster {
    /// Starts this number of nodes.
    pub(super) fn start(bench: &Bench<'_>, nodes: usize) -> io::Result<Self> {
        let mut cluster = Self { nodes: Vec::new(), redis: Redis::start()? };
        for _ in 0..nodes {
            cluster.add(bench)?;
        }
        Ok(cluster)
    }

    /// Starts one more node.
    pub(super) fn add(&mut self, bench: &Bench<'_>) -> io::Result<()> {
        let address = self.redis.address.clone();
        self.add_by(bench, &address)
    }

    /// Starts one more node, which reaches Redis at this address.
    pub(super) fn add_by(&mut self, bench: &Bench<'_>, redis: &str) -> io::Result<()> {
        let node = format!("bench-{}", self.nodes.len());
        self.nodes.push(start(
            bench,
            vec![
                ("SIGNALHUB_CLUSTER__REDIS", format!("redis://{redis}")),
                ("SIGNALHUB_CLUSTER__SECRET", SECRET.to_owned()),
                ("SIGNALHUB_CLUSTER__NODE", node),
                ("SIGNALHUB_CLUSTER__LISTEN", format!("127.0.0.1:{}", free_port()?)),
            ],
        )?);
        Ok(())
    }
}

/// Starts a node without a cluster.
pub(super) fn alone(bench: &Bench<'_>) -> io::Result<Target> {
    start(bench, Vec::new())
}

fn start(bench: &Bench<'_>, mut variables: Vec<(&str, String)>) -> io::Result<Target> {
    let internal = Internal::choose()?;
    variables.push(internal.variable());
    variables.push(("SIGNALHUB_HISTORY__EVENTS", HISTORY_EVENTS.to_owned()));
    variables.push(("SIGNALHUB_HISTORY__BYTES", "64MiB".to_owned()));
    let target = Target::ours_with(bench.arguments.server.clone(), &variables, None)?;
    internal.ready()?;
    Ok(target)
}
