//! A run, from the first connection to the report.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use signalhub_tls_client::TlsClient;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep, sleep_until};

use crate::connection::{Connection, ConnectionError, Hub};
use crate::course::{Course, Live};
use crate::http::Http;
use crate::latencies::Latencies;
use crate::payload::{Payloads, SHORTEST_PAYLOAD};
use crate::plan::{Plan, Source};
use crate::receiver::{self, Received};
use crate::report::{self, Connect, Findings, Report, Slow};
use crate::schedule::Schedule;
use crate::sender::{self, PublishApi, Reasons, Sent};
use crate::this_side::{Moment, ThisSide};
use signalhub_protocol::TransferFormat;

use crate::plan::Transport;

/// After this number of failures and no success, no more connections are tried.
const HOPELESS: u64 = 20;

/// How long senders may need, after the last event was due, to send what a slow server has kept them from sending.
const SEND_GRACE: Duration = Duration::from_secs(10);

/// Without a delivery for this long, nothing more is awaited.
const QUIET: Duration = Duration::from_secs(2);

/// For how long what was sent is awaited at most.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// How long is waited after the last expected delivery, for one that comes twice.
const TAIL: Duration = Duration::from_millis(200);

/// How often the counters are looked at.
const LOOK: Duration = Duration::from_millis(20);

/// The most senders.
const SENDERS: u32 = 256;

/// Why there is nothing to report.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The plan contradicts itself.
    #[error("{0}")]
    Plan(String),
    /// No connection could be opened.
    #[error("no connection could be opened: {0}")]
    NoConnection(String),
    /// What sends could not connect.
    #[error("the connection that calls the method could not be opened: {0}")]
    NoSender(String),
    /// The server refused each event.
    #[error("the server accepts no event: {0}")]
    Refused(String),
    /// The run was stopped before the first event.
    #[error("interrupted before the first event was sent; {0} connections were open")]
    Interrupted(u64),
}

/// Runs a plan. When `stop` is ready, it sends nothing more, and reports what was sent until then.
///
/// # Errors
/// If nothing could be measured: see [`LoadError`]. All else is in the report.
pub async fn run(plan: Plan, live: Arc<Live>, stop: impl Future<Output = ()>) -> Result<Report, LoadError> {
    check(&plan)?;
    let mut run = Run::prepare(plan, live)?;
    tokio::pin!(stop);
    let connected = tokio::select! {
        connected = run.connect() => connected?,
        () = &mut stop => return Err(LoadError::Interrupted(run.course.live.connected.load(Ordering::Relaxed))),
    };
    let senders = run.senders().await?;
    let (sent, measured, interrupted) = run.send(senders, stop).await;
    if sent.iter().all(|sent| sent.refusal.is_some())
        && let Some(refusal) = sent.iter().find_map(|sent| sent.refusal.clone())
    {
        return Err(LoadError::Refused(refusal));
    }
    run.wait_for_deliveries(&sent).await;
    Ok(run.finish(connected, sent, measured, interrupted).await)
}

fn check(plan: &Plan) -> Result<(), LoadError> {
    let problem =
        if plan.transport == Transport::ServerSentEvents && plan.protocol.transfer_format() == TransferFormat::Binary {
            "server-sent events cannot carry MessagePack: use another transport, or json".to_owned()
        } else if plan.size < SHORTEST_PAYLOAD {
            format!(
                "a payload of {} bytes has no room for what identifies it: expected at least {SHORTEST_PAYLOAD}",
                plan.size
            )
        } else if plan.slow >= plan.connections.get() {
            "all connections are slow: expected at least one that reads".to_owned()
        } else if plan.groups > plan.connections {
            "there are more groups than connections".to_owned()
        } else if plan.senders.get() > SENDERS {
            format!("there are more than {SENDERS} senders")
        } else if plan.rate.before(plan.duration) == 0 {
            "no event is due in that time".to_owned()
        } else if plan.rate.before(plan.warm_up + plan.duration) > u64::from(u32::MAX) {
            "there are more events than can be numbered: use a shorter time or a lower rate".to_owned()
        } else if matches!(&plan.source, Source::Invoke(call) if !call.carries_payload()) {
            "the call does not carry the payload: expected an argument with {payload}".to_owned()
        } else {
            return Ok(());
        };
    Err(LoadError::Plan(problem))
}

/// A run in progress.
struct Run {
    plan: Arc<Plan>,
    hub: Hub,
    course: Arc<Course>,
    stop_receiving: watch::Sender<bool>,
    receivers: Vec<JoinHandle<Received>>,
    slow: Vec<(u32, JoinHandle<Option<ConnectionError>>)>,
}

/// When the measured part began and ended.
struct Measured {
    before: Moment,
    after: Moment,
    seconds: f64,
}

impl Run {
    fn prepare(plan: Plan, live: Arc<Live>) -> Result<Self, LoadError> {
        let run = getrandom::u32().map_err(|error| LoadError::Plan(error.to_string()))?;
        let tls = plan.tls.clone().unwrap_or_else(TlsClient::with_system_roots);
        let hub =
            Hub { http: Http::new(&tls), url: plan.url.clone(), transport: plan.transport, protocol: plan.protocol };
        let Plan { rate, warm_up, duration, senders, groups, .. } = plan;
        let schedule = Schedule { rate, warm_up, duration, senders, groups };
        let payloads = Payloads::new(run, plan.size);
        let course = Arc::new(Course::new(schedule, payloads, plan.target.clone(), plan.late, live));
        let (stop_receiving, _) = watch::channel(false);
        Ok(Self { plan: Arc::new(plan), hub, course, stop_receiving, receivers: Vec::new(), slow: Vec::new() })
    }

    /// Opens the connections at their rate, and begins to receive on each.
    async fn connect(&mut self) -> Result<Connect, LoadError> {
        let (start, count) = (Instant::now(), self.plan.connections.get());
        let (mut attempts, mut next) = (JoinSet::new(), 0_u32);
        let (mut latencies, mut reasons) = (Latencies::default(), Reasons::default());
        while next < count || !attempts.is_empty() {
            let due = start + self.plan.connect_rate.due(u64::from(next));
            tokio::select! {
                () = sleep_until(due), if next < count => {
                    attempts.spawn(attempt(self.hub.clone(), Arc::clone(&self.plan), next));
                    next += 1;
                }
                Some(ended) = attempts.join_next() => match ended {
                    Ok((number, Ok((connection, took)))) => {
                        latencies.record(took);
                        self.take(number, connection);
                    }
                    Ok((_, Err(error))) => self.failed(&mut reasons, &error),
                    Err(panic) => self.failed(&mut reasons, &ConnectionError::Lost(panic.to_string())),
                },
            }
            if self.receivers.is_empty() && self.slow.is_empty() && reasons.count() >= HOPELESS {
                break;
            }
        }
        let failures = report::failures(&reasons);
        if self.receivers.is_empty() {
            let why = failures.into_iter().next().map_or_else(String::new, |failure| failure.reason);
            return Err(LoadError::NoConnection(why));
        }
        Ok(Connect {
            connected: self.course.live.connected.load(Ordering::Relaxed),
            failed: reasons.count(),
            seconds: start.elapsed().as_secs_f64(),
            p50_milliseconds: latencies.milliseconds(50.0),
            p99_milliseconds: latencies.milliseconds(99.0),
            failures,
        })
    }

    fn take(&mut self, number: u32, connection: Connection) {
        self.course.live.connected.fetch_add(1, Ordering::Relaxed);
        let (group, stop) = (group_of(&self.plan, number), self.stop_receiving.subscribe());
        if is_slow(&self.plan, number) {
            self.slow.push((group, tokio::spawn(receiver::stall(connection, stop))));
        } else {
            let receiving = receiver::receive(connection, group, Arc::clone(&self.course), stop);
            self.receivers.push(tokio::spawn(receiving));
        }
    }

    fn failed(&self, reasons: &mut Reasons, error: &ConnectionError) {
        self.course.live.connection_failures.fetch_add(1, Ordering::Relaxed);
        reasons.add(error.to_string());
    }

    /// Opens the connections of the senders, if they need some.
    async fn senders(&self) -> Result<Vec<Option<Connection>>, LoadError> {
        let mut senders = Vec::new();
        for number in 0..self.plan.senders.get() {
            senders.push(match &self.plan.source {
                Source::Publish { .. } => None,
                Source::Invoke(_) => {
                    let connection = self.hub.connect(token(&self.plan, number)).await;
                    Some(connection.map_err(|error| LoadError::NoSender(error.to_string()))?)
                }
            });
        }
        Ok(senders)
    }

    /// Sends all events, or those until the run is stopped or no connection is left.
    async fn send(
        &self,
        senders: Vec<Option<Connection>>,
        stop: impl Future<Output = ()>,
    ) -> (Vec<Sent>, Measured, bool) {
        self.course.begin(Instant::now());
        let (halt, halted) = watch::channel(false);
        let pace = sender::start_pacing(&self.course, halted);
        let mut sending = JoinSet::new();
        for (number, connection) in (0..).zip(senders) {
            let (course, pace) = (Arc::clone(&self.course), pace.clone());
            match (connection, &self.plan.source) {
                (Some(connection), Source::Invoke(call)) => {
                    sending.spawn(sender::invoke(connection, call.clone(), number, course, pace));
                }
                (_, Source::Publish { url, headers, event }) => {
                    let http = self.hub.http.clone();
                    let (url, headers, event) = (url.clone(), headers.clone(), event.clone());
                    sending.spawn(sender::publish(PublishApi { http, url, headers, event }, number, course, pace));
                }
                (None, Source::Invoke(_)) => {}
            }
        }
        let schedule = &self.course.schedule;
        let start = self.course.start();
        let warm = sleep_until(start + schedule.warm_up);
        let grace = sleep_until(start + schedule.warm_up + schedule.duration + SEND_GRACE);
        tokio::pin!(warm, grace, stop);
        let (mut before, mut sent, mut interrupted, mut halting) = (None, Vec::new(), false, false);
        while !sending.is_empty() {
            tokio::select! {
                Some(ended) = sending.join_next() => sent.extend(ended.ok()),
                () = &mut warm, if before.is_none() => before = Some(Moment::now()),
                () = &mut stop, if !interrupted => (interrupted, halting) = (true, true),
                () = &mut grace, if !halting => halting = true,
                () = self.all_have_ended(), if !halting => halting = true,
            }
            if halting {
                halt.send_replace(true);
            }
        }
        let after = Moment::now();
        let last = sent.iter().filter_map(|sent| sent.last).max();
        let since_warm_up = last.map(|last| last.saturating_duration_since(start + schedule.warm_up));
        let seconds = since_warm_up.unwrap_or_default().as_secs_f64();
        let before = before.unwrap_or_else(Moment::now);
        (sent, Measured { before, after, seconds }, interrupted)
    }

    /// Waits until no receiving connection is left.
    async fn all_have_ended(&self) {
        while self.course.live.ended.load(Ordering::Relaxed) < self.receivers.len() as u64 {
            sleep(LOOK).await;
        }
    }

    /// Waits until all that was sent has come, or nothing comes any more.
    async fn wait_for_deliveries(&self, sent: &[Sent]) {
        let mut members = vec![0; self.plan.groups.get() as usize];
        for number in 0..self.plan.connections.get() {
            members[group_of(&self.plan, number) as usize] += u64::from(!is_slow(&self.plan, number));
        }
        let accepted = |group| sent.iter().map(|sent| sent.accepted_of(group)).sum::<u64>();
        let expected: u64 = (0..).zip(&members).map(|(group, members)| members * accepted(group)).sum();
        let (begin, mut last) = (Instant::now(), (0, Instant::now()));
        while begin.elapsed() < LONGEST_WAIT {
            let live = &self.course.live;
            let delivered = live.delivered.load(Ordering::Relaxed);
            if delivered != last.0 {
                last = (delivered, Instant::now());
            }
            let quiet = if delivered >= expected { TAIL } else { QUIET };
            if last.1.elapsed() >= quiet || live.ended.load(Ordering::Relaxed) >= self.receivers.len() as u64 {
                return;
            }
            sleep(LOOK).await;
        }
    }

    /// Ends the connections and reports.
    async fn finish(self, connect: Connect, sent: Vec<Sent>, measured: Measured, interrupted: bool) -> Report {
        self.stop_receiving.send_replace(true);
        let mut received = Vec::with_capacity(self.receivers.len());
        for receiver in self.receivers {
            // A task that panicked has reported it; what it received is missing, and so the proof fails.
            received.extend(receiver.await.ok());
        }
        let mut slow_by_group = vec![0; self.plan.groups.get() as usize];
        let (mut slow, is_any_slow) = (Slow { connections: 0, ended_by_server: 0 }, self.plan.slow > 0);
        for (group, stalled) in self.slow {
            slow.connections += 1;
            slow.ended_by_server += u64::from(!matches!(stalled.await, Ok(None)));
            slow_by_group[group as usize] += 1;
        }
        let (mut latencies, mut lags) = (Latencies::default(), Latencies::default());
        received.iter().for_each(|received| latencies.add(&received.latencies));
        sent.iter().for_each(|sent| lags.add(&sent.lags));
        let findings = Findings {
            connect,
            slow: is_any_slow.then_some(slow),
            slow_by_group,
            spreads: self.course.spreads_from(self.course.schedule.warm_up_events()),
            this_side: ThisSide::between(&measured.before, &measured.after, &lags, &latencies),
            latencies,
            received,
            sent,
            measured_seconds: measured.seconds,
            interrupted,
        };
        Report::of(&self.plan, &self.course.schedule, &findings)
    }
}

/// Opens one connection, tells how long that took, and joins its group.
async fn attempt(hub: Hub, plan: Arc<Plan>, number: u32) -> (u32, Result<(Connection, Duration), ConnectionError>) {
    let start = Instant::now();
    let joined = async {
        let mut connection = hub.connect(token(&plan, number)).await?;
        let took = start.elapsed();
        if let Some(call) = &plan.join {
            connection.call(call, group_of(&plan, number)).await?;
        }
        Ok((connection, took))
    };
    (number, joined.await)
}

fn token(plan: &Plan, number: u32) -> Option<&str> {
    let index = number as usize % plan.tokens.len().max(1);
    plan.tokens.get(index).map(String::as_str)
}

/// The group of a connection.
fn group_of(plan: &Plan, number: u32) -> u32 {
    number % plan.groups
}

/// Tells whether a connection does not read. They are spread evenly.
fn is_slow(plan: &Plan, number: u32) -> bool {
    let share = |number: u32| u64::from(number) * u64::from(plan.slow) / u64::from(plan.connections.get());
    share(number + 1) > share(number)
}
