//! Draining: the connections of clients are closed, and the server goes on to answer.

use std::convert::Infallible;
use std::time::Duration;

use tokio::task::JoinSet;

use crate::configuration::Listen;
use crate::http_api::admin::Listed;
use crate::lifecycle::{DrainRequest, Lifecycle, Phase};

/// Drains the server when an operator asks for it.
#[derive(Debug)]
pub(super) struct Draining {
    request: DrainRequest,
    lifecycle: Lifecycle,
    /// How long the server is not ready before it refuses new connections.
    delay: Duration,
    /// The time over which connections are closed.
    time: Duration,
    connections: Vec<Listed>,
}

impl Draining {
    /// Closes these connections when the request comes, as `listen.shutdown_delay` and `listen.drain_time` say.
    pub(super) fn new(
        settings: &Listen,
        request: DrainRequest,
        lifecycle: Lifecycle,
        connections: Vec<Listed>,
    ) -> Self {
        Self { request, lifecycle, delay: settings.shutdown_delay, time: settings.drain_time, connections }
    }

    /// Waits for the request, and drains.
    pub(super) async fn run(&self) -> Infallible {
        loop {
            self.request.received().await;
            self.leave().await;
            let mut drains = JoinSet::new();
            for Listed { connections, .. } in self.connections.clone() {
                let time = self.time;
                drains.spawn(async move { connections.drain(time).await });
            }
            drains.join_all().await;
        }
    }

    /// Reports that the server is not ready, and waits until load balancers have noticed. If that has happened before, it
    /// returns at once.
    pub(super) async fn leave(&self) {
        if self.lifecycle.phase() == Phase::Draining {
            return;
        }
        self.lifecycle.enter(Phase::Leaving);
        tokio::time::sleep(self.delay).await;
        self.lifecycle.enter(Phase::Draining);
    }
}
