//! Stateful reconnect under a bad network: thousands of runs, each from a seed, with an oracle that knows every message.
//!
//! Client and hub talk over a network that delays, cuts and half-opens connections at random. Whatever happens, each call of the
//! client is run once and answered once, each message of the hub arrives once, and both in order. A run that fails names its
//! seed; `SIGNALHUB_SEED` runs that one alone.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod client;
#[path = "../support/seed.rs"]
mod seed;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use client::Client;
use seed::Seed;
use signalhub::connections::ConnectionHandler;
use signalhub::{Args, CloseReason, Connection, Hub, Identity, State};

const RUNS: u64 = 3000;

/// How often something happens in one run.
const STEPS: usize = 120;

type Calls = Arc<Mutex<Vec<u64>>>;

fn hub(calls: &Calls) -> Hub {
    Hub::builder()
        .state(Arc::clone(calls))
        .method("Call", async |State(calls): State<Calls>, Args((number,)): Args<(u64,)>| {
            calls.lock().unwrap().push(number);
            // Some calls still run when their transport ends.
            for _ in 0..number % 4 {
                tokio::task::yield_now().await;
            }
            Ok(number)
        })
        .configure(|options| options.stateful_reconnect_buffer_size = 2000)
        .build()
}

/// One life of a connection, and what went over it.
struct Run {
    seed: Seed,
    hub: Hub,
    calls: Calls,
    client: Client,
    /// How many calls the client has made, and how many messages the hub has sent.
    called: u64,
    said: u64,
}

impl Run {
    async fn new(seed: u64) -> (Self, tokio::task::JoinHandle<()>) {
        let calls = Calls::default();
        let hub = hub(&calls);
        let (connection, peer) = Connection::resumable_pair(Identity::user("ann"));
        let session = tokio::spawn(Arc::new(hub.clone()).handle(connection));
        let client = Client::shake_hands(peer).await;
        (Self { seed: Seed::new(seed), hub, calls, client, called: 0, said: 0 }, session)
    }

    async fn step(&mut self) {
        match self.seed.below(20) {
            0..5 => {
                self.client.call(self.called);
                self.called += 1;
            }
            5..9 => {
                self.hub.clients().all().send("Said", (self.said,)).await.unwrap();
                self.said += 1;
            }
            9..12 => self.client.send_some(&mut self.seed),
            12..15 => self.client.take_some(&mut self.seed).await,
            15 => self.client.acknowledge(),
            16 => {
                self.client.peer().tick();
            }
            17 => tokio::time::advance(Duration::from_millis(self.seed.below(700))).await,
            18 => self.client.lose(),
            _ => self.client.reconnect(&mut self.seed),
        }
        for _ in 0..self.seed.below(6) {
            tokio::task::yield_now().await;
        }
    }

    /// Runs a good network until everything has arrived, then compares both sides with what was sent.
    async fn settle(&mut self) {
        self.client.reconnect(&mut self.seed);
        for _ in 0..50 {
            self.client.send_all();
            tokio::time::advance(Duration::from_millis(500)).await;
            for _ in 0..20 {
                tokio::task::yield_now().await;
            }
            self.client.take_all().await;
            self.client.acknowledge();
        }
        let numbers = |count| (0..count).collect::<Vec<u64>>();
        assert_eq!(*self.calls.lock().unwrap(), numbers(self.called), "calls that were run");
        assert_eq!(self.client.said(), numbers(self.said), "messages that arrived");
        let mut answered = self.client.answered().to_vec();
        answered.sort_unstable();
        assert_eq!(answered, numbers(self.called), "calls that were answered");
        assert_eq!(self.client.unacknowledged(), 0, "everything was acknowledged");
    }
}

async fn check(seed: u64) {
    let (mut run, session) = Run::new(seed).await;
    for _ in 0..STEPS {
        run.step().await;
    }
    run.settle().await;
    run.client.peer().end(CloseReason::ClientClosed);
    session.await.unwrap();
    assert_eq!(run.hub.client_count(), 0);
}

#[test]
fn nothing_is_lost_or_doubled_whatever_the_network_does() {
    let seeds = match std::env::var("SIGNALHUB_SEED") {
        Ok(seed) => seed.parse().map(|seed| seed..seed + 1).expect("SIGNALHUB_SEED is a number"),
        Err(_) => 0..RUNS,
    };
    for seed in seeds {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let run = std::panic::AssertUnwindSafe(|| runtime.block_on(check(seed)));
        if let Err(panic) = std::panic::catch_unwind(run) {
            eprintln!("the run of seed {seed} failed");
            std::panic::resume_unwind(panic);
        }
    }
}
