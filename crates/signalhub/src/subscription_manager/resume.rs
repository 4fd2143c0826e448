//! `Subscribe` with `since`: replays the events that a client has missed, then delivers new ones as they are published.
//!
//! The call waits for its client before it sends, so a replay never makes a slow consumer. It holds no lock and no event while it waits.

use std::sync::Arc;

use futures_util::FutureExt;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use signalhub_connections::{BoxFuture, Frame, Outbound};
use signalhub_events::{
    Broker, Delivery, Event, EventName, Filter, Gap, GoLive, LogUnavailable, Position, Replay, ReplayLimits, Scope,
    Since, Step, SubscribeError, Subscriptions,
};
use time::OffsetDateTime;

use super::gap::GapMembers;
use super::render::{self, Form, Reference};
use super::{ResumingSubscriber, check_room, refused};
use crate::calls::caller::Caller;
use crate::clients::subscribed::{ReplayToken, ResumeProgress, ResumedEvent, Resuming, SentPositions, Subscribed};
use crate::error::HubError;

/// The result of `Subscribe` with `since`. The names of its members are the same in every protocol, as those of notifications are.
pub(crate) struct Resumed {
    /// Everything up to it that matches was sent before.
    position: Position,
    replayed: u64,
    gap: Option<Gap>,
}

/// One call of `Subscribe` with `since`.
struct Resume {
    broker: Broker,
    caller: Caller,
    event: EventName,
    filters: Vec<Filter>,
    token: Arc<ReplayToken>,
    sent: u64,
}

/// Why a replay ended early.
enum Interrupted {
    /// The connection has ended.
    Ended,
    /// The answer is an error.
    Refused(HubError),
}

/// Starts a replay for a client whose request was checked. From here on, its events carry positions.
pub(super) fn resume(
    broker: Broker,
    caller: &Caller,
    filters: Vec<Filter>,
    since: Since,
) -> Result<BoxFuture<Result<Resumed, HubError>>, HubError> {
    let Some(event) = filters.first().map(|filter| filter.event.clone()) else {
        return Err(HubError::new("the request has no filter"));
    };
    let token = Arc::new(ReplayToken);
    let mut subscribed = caller.client().subscriptions();
    let subscribed_to = |subscriptions: &mut Subscriptions| subscriptions.has_event(&event);
    let replaying = |resuming: &mut Resuming| resuming.events.iter().any(|resumed| resumed.event == event);
    if subscribed.get_mut().is_some_and(subscribed_to) || subscribed.resuming().is_some_and(replaying) {
        let text = "\"since\" is for the first subscription to an event: this connection has";
        caller.state().replays.count(|replays| replays.refused += 1);
        return Err(HubError::new(format!("{text} \"{event}\" already")));
    }
    let resuming = with_positions(&mut subscribed, caller)?;
    let progress = ResumeProgress::Replaying(Arc::clone(&token));
    resuming.events.push(ResumedEvent { event: event.clone(), progress });
    drop(subscribed);
    let resume = Resume { broker, caller: caller.clone(), event, filters, token, sent: 0 };
    Ok(Box::pin(resume.run(since)))
}

/// Lets the events of a client carry positions, if they do not yet.
fn with_positions<'a>(subscribed: &'a mut Subscribed, caller: &Caller) -> Result<&'a mut Resuming, HubError> {
    if let Subscribed::Plain(_) = subscribed
        && let Subscribed::Plain(mut subscriptions) = std::mem::take(subscribed)
    {
        let sent = Arc::<SentPositions>::default();
        subscriptions.replace_subscriber(ResumingSubscriber::new(caller, Arc::clone(&sent)));
        *subscribed = Subscribed::Resuming(Box::new(Resuming { subscriptions, events: Vec::new(), sent }));
    }
    subscribed.resuming().ok_or_else(|| HubError::disconnected("the connection has ended"))
}

impl Resume {
    async fn run(mut self, since: Since) -> Result<Resumed, HubError> {
        let result = self.replay(since).await;
        self.caller.state().replays.count(|replays| {
            replays.events += self.sent;
            match &result {
                Ok(Resumed { gap: None, .. }) => replays.complete += 1,
                Ok(Resumed { gap: Some(gap), .. }) => {
                    replays.gap += 1;
                    replays.gaps[gap.reason as usize] += 1;
                }
                Err(Interrupted::Refused(_)) => replays.refused += 1,
                Err(Interrupted::Ended) => replays.ended += 1,
            }
        });
        result.map_err(|interrupted| match interrupted {
            Interrupted::Refused(error) => error,
            Interrupted::Ended => HubError::disconnected("the connection has ended"),
        })
    }

    async fn replay(&mut self, since: Since) -> Result<Resumed, Interrupted> {
        let outbound = self.caller.client().outbound().clone();
        let options = &self.caller.state().options;
        let limits =
            ReplayLimits { matching: options.maximum_replayed_events, scanned: options.maximum_scanned_events };
        if let Since::Position(position) = since {
            self.broker.wait_for(&self.event, position).await;
        }
        let mut replay = Replay::new(since, self.broker.bounds(&self.event), limits);
        // What is sent without waiting is written together.
        let mut corked = None;
        loop {
            if outbound.ready().now_or_never().is_none() {
                corked = None;
                replay.pause();
                outbound.ready().await;
            }
            match replay.poll() {
                Step::Read { after, most } => {
                    corked = None;
                    tokio::task::yield_now().await;
                    let page = self.broker.read(&self.event, after, most).await;
                    let client = Arc::clone(self.caller.client());
                    let wanted = self.wanted(self.running(&mut client.subscriptions())?);
                    match page {
                        Ok(page) => replay.on_page(page, |event| wanted.matches(event)),
                        Err(LogUnavailable) => replay.on_unavailable(),
                    }
                }
                Step::Send(position, event) => {
                    corked.get_or_insert_with(|| Corked::new(&outbound));
                    send(&self.caller, position, event)?;
                    self.sent += 1;
                }
                Step::GoLive(when) => match self.go_live(when)? {
                    Some(position) => {
                        return Ok(Resumed { position, replayed: self.sent, gap: replay.gap() });
                    }
                    None => replay.on_behind(),
                },
            }
        }
    }

    /// What the client wants, and may see at this moment. The guard must be that of its subscriptions.
    fn wanted(&self, resuming: &Resuming) -> Wanted<'_> {
        Wanted { filters: &self.filters, scope: resuming.subscriptions.scope().clone(), now: OffsetDateTime::now_utc() }
    }

    /// The subscriptions of the client, unless it has unsubscribed or its connection has ended.
    fn running<'a>(&self, subscribed: &'a mut Subscribed) -> Result<&'a mut Resuming, Interrupted> {
        let resuming = subscribed.resuming().filter(|_| !self.caller.is_aborted()).ok_or(Interrupted::Ended)?;
        if resuming.replaying(&self.token).is_none() {
            let text = format!("the client has unsubscribed from \"{}\"", self.event);
            return Err(Interrupted::Refused(HubError::new(text)));
        }
        Ok(resuming)
    }

    /// Adds the filters, if the client has got all events that are older; returns the position behind which it gets new ones.
    fn go_live(&mut self, when: GoLive) -> Result<Option<Position>, Interrupted> {
        let client = Arc::clone(self.caller.client());
        let mut subscribed = client.subscriptions();
        let resuming = self.running(&mut subscribed)?;
        check_room(&self.caller, &resuming.subscriptions, &self.filters).map_err(Interrupted::Refused)?;
        let refuse = |error: SubscribeError| Interrupted::Refused(refused(error));
        for filter in &self.filters {
            resuming.subscriptions.check(filter).map_err(refuse)?;
        }
        let (wanted, mut sent) = (self.wanted(resuming), 0);
        let send_last = |position, event: Arc<Event>| {
            // If the connection has ended, the session finds out by itself.
            if wanted.matches(&event) && send(&self.caller, position, event).is_ok() {
                sent += 1;
            }
        };
        let live = self.broker.go_live(&mut resuming.subscriptions, &self.event, &self.filters, when, send_last);
        self.sent += sent;
        let live = live.map_err(refuse)?;
        if let (Some(position), Some(resumed)) = (live, resuming.replaying(&self.token)) {
            resumed.progress = ResumeProgress::Live { told: position, earlier: None };
        }
        Ok(live)
    }
}

impl Drop for Resume {
    fn drop(&mut self) {
        // A replay that has come to its end is no longer found.
        if let Some(resuming) = self.caller.client().subscriptions().resuming()
            && let Some(event) = resuming.replaying(&self.token).map(|resumed| resumed.event.clone())
        {
            resuming.events.retain(|resumed| resumed.event != event);
        }
    }
}

/// Which events a replay sends.
struct Wanted<'a> {
    filters: &'a [Filter],
    scope: Scope,
    now: OffsetDateTime,
}

impl Wanted<'_> {
    fn matches(&self, event: &Event) -> bool {
        !event.is_expired(self.now)
            && self.filters.iter().any(|filter| filter.matches(event))
            && self.scope.allows(event)
    }
}

/// Sends an event with its position.
fn send(caller: &Caller, position: Position, event: Arc<Event>) -> Result<(), Interrupted> {
    let bytes = render::on_event(Form::of(caller, Reference::Position), &Delivery::new(event, position));
    if bytes.is_empty() {
        return Ok(());
    }
    caller.client().outbound().send(&Frame::from_bytes(bytes)).map_err(|_| Interrupted::Ended)
}

/// Collects what is sent, until it is dropped.
struct Corked<'a>(&'a Outbound);

impl<'a> Corked<'a> {
    fn new(outbound: &'a Outbound) -> Self {
        outbound.cork();
        Self(outbound)
    }
}

impl Drop for Corked<'_> {
    fn drop(&mut self) {
        self.0.uncork();
    }
}

impl Serialize for Resumed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // As maps, not as structs, so that MessagePack keeps the names of the members.
        let mut members = serializer.serialize_map(Some(3))?;
        members.serialize_entry("position", &self.position.to_string())?;
        members.serialize_entry("replayed", &self.replayed)?;
        members.serialize_entry("gap", &self.gap.map(GapMembers))?;
        members.end()
    }
}

#[cfg(test)]
mod tests;
