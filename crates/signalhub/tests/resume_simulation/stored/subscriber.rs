//! A client that remembers its position, as the documented wrapper does, and fetches its state anew when it is told of a gap.

use std::collections::HashMap;

use futures_util::FutureExt;
use serde_json::{Value, json};
use signalhub::Identity;
use signalhub::connections::Peer;
use signalhub::events::{Event, Position};

use super::ledger::Ledger;
use super::stepped_log::Disk;
use super::{MATCHING, Totals};
use crate::seed::Seed;
use crate::{EVENT, RESOURCES};

pub(crate) struct Subscriber {
    resource: Option<&'static str>,
    organisation: Option<&'static str>,
    /// Whether its first subscription asks for everything that is kept.
    earliest: bool,
    pub(crate) peer: Option<Peer>,
    state: State,
    /// Everything that matches was received up to here; `None` before the first answer or event.
    position: Option<Position>,
    /// Events of the replay whose answer is awaited.
    since_call: u64,
    /// How often each event was received, by its number.
    received: HashMap<u64, u64>,
    /// Ranges of numbers of events that it need not get, because they are in the state that it fetched.
    fetched: Vec<std::ops::Range<u64>>,
    gaps: u64,
    replayed: u64,
    positions: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Idle,
    Asked,
    Subscribed,
}

impl Subscriber {
    pub(crate) fn new(seed: &mut Seed) -> Self {
        Self {
            resource: RESOURCES.get(seed.below(5) as usize).copied(),
            organisation: (seed.below(2) == 0).then_some("acme"),
            earliest: seed.below(3) == 0,
            peer: None,
            state: State::Idle,
            position: None,
            since_call: 0,
            received: HashMap::new(),
            fetched: Vec::new(),
            gaps: 0,
            replayed: 0,
            positions: 0,
        }
    }

    pub(crate) fn identity(&self) -> Identity {
        match self.organisation {
            Some(organisation) => Identity::user("ann").with_organisation(organisation),
            None => Identity::user("ann"),
        }
    }

    pub(crate) fn connect(&mut self, mut peer: Peer) {
        peer.stream();
        peer.send("{\"protocol\":\"json\",\"version\":1}\u{1e}");
        self.peer = Some(peer);
        self.state = State::Idle;
    }

    /// Loses the connection, with everything that was not read.
    pub(crate) fn cut(&mut self) {
        self.peer = None;
        self.state = State::Idle;
    }

    pub(crate) fn subscribe(&mut self) {
        if self.state == State::Idle {
            let resources = self.resource.map(|resource| json!([{"n": resource}]));
            let since = self.position.map(|position| position.to_string());
            let since = since.or_else(|| self.earliest.then(|| "earliest".to_owned()));
            let request = json!({"e": EVENT, "r": resources, "since": since});
            let call = json!({"type": 1, "invocationId": "1", "target": "Subscribe", "arguments": [request]});
            self.peer.as_mut().unwrap().send(format!("{call}\u{1e}"));
            (self.state, self.since_call) = (State::Asked, 0);
        }
    }

    /// Reads what has arrived, at most `most` messages.
    pub(crate) fn take_some(&mut self, most: u64, disk: &Disk) {
        for _ in 0..most {
            let Some(peer) = &mut self.peer else { return };
            let Some(Some(message)) = peer.receive().now_or_never() else { return };
            let message: Value = serde_json::from_slice(message.strip_suffix(b"\x1e").unwrap()).unwrap();
            match (message["type"].as_u64(), message["target"].as_str()) {
                (Some(1), Some("OnEvent")) => self.on_event(&message["arguments"][0], disk),
                (Some(1), Some("OnPosition")) => self.on_position(parse(&message["arguments"][1]), &disk.ledger),
                (Some(3), _) => self.on_answer(&message, disk),
                // A ping, or the answer to the handshake.
                (Some(6) | None, _) => {}
                _ => panic!("unexpected message {message}"),
            }
        }
    }

    fn on_event(&mut self, message: &Value, disk: &Disk) {
        let (ledger, position) = (&disk.ledger, parse(&message["r"]));
        let entry = ledger.shown(position).unwrap_or_else(|| panic!("{position} came before it was written"));
        assert_eq!(message["p"]["t"], json!(entry.token), "{position} is the position of another event");
        assert!(self.wants(&entry.event), "{position} does not match");
        match self.position {
            // Everything that is kept, from the first one on.
            None => {
                assert_eq!(
                    (self.state, self.earliest),
                    (State::Asked, true),
                    "the answer comes before the first event"
                );
                let before = Position::new(position.epoch(), disk.first - 1);
                let first = ledger.next(before, |event| self.wants(event));
                assert!(
                    position.epoch() != ledger.epoch() || first.is_none_or(|first| position.offset() <= first.offset()),
                    "the replay began at {position}, and {first:?} is kept"
                );
                self.fetched.push(0..ledger.number_behind(Position::new(position.epoch(), position.offset() - 1)));
            }
            Some(reached) => {
                let expected = self.next(ledger);
                assert_eq!(Some(position), expected, "lost, doubled or out of order, after {reached}");
            }
        }
        self.position = Some(position);
        *self.received.entry(entry.number).or_default() += 1;
        if self.state == State::Asked {
            self.since_call += 1;
        }
    }

    /// The position of the next event that the subscriber must get.
    fn next(&self, ledger: &Ledger) -> Option<Position> {
        let reached = self.position?;
        match self.state {
            State::Subscribed => ledger.next_live(reached, |event| self.wants(event)),
            State::Idle | State::Asked => ledger.next(reached, |event| self.wants(event)),
        }
    }

    fn on_position(&mut self, position: Position, ledger: &Ledger) {
        assert_eq!(self.state, State::Subscribed);
        let reached = self.position.unwrap();
        assert!(!ledger.is_behind(position, reached), "the position goes back from {reached} to {position}");
        if let Some(next) = self.next(ledger) {
            assert!(ledger.is_behind(position, next), "the position {position} runs ahead of the event {next}");
        }
        self.position = Some(position);
        self.positions += 1;
    }

    fn on_answer(&mut self, message: &Value, disk: &Disk) {
        assert_eq!(message.get("error"), None, "{message}");
        let result = &message["result"];
        let (ledger, position) = (&disk.ledger, parse(&result["position"]));
        assert_eq!(result["replayed"], json!(self.since_call));
        assert!(position.offset() == 0 || ledger.at(position).is_some(), "{position} was never given");
        if result["gap"].is_null() {
            match self.position {
                None => self.fetched.push(0..ledger.number_behind(position)),
                Some(reached) => {
                    assert_eq!(reached.epoch(), position.epoch(), "events of another epoch are missing");
                    let missing = self.next(ledger).filter(|next| next.offset() <= position.offset());
                    assert_eq!(missing, None, "the answer came before an event");
                }
            }
        } else {
            self.on_gap(&result["gap"], position, disk);
        }
        self.replayed += self.since_call;
        self.state = State::Subscribed;
        self.position = Some(position);
    }

    /// Fetches the state anew: what was published up to the position of the answer need not come.
    fn on_gap(&mut self, gap: &Value, position: Position, disk: &Disk) {
        let (ledger, from) = (&disk.ledger, parse(&gap["from"]));
        let reached = self.position.unwrap_or(from);
        assert_eq!(from.epoch(), reached.epoch());
        assert!(!ledger.is_behind(from, reached), "events before {reached} are not missing, from {from} on");
        let missed = self.next(ledger).filter(|next| next.offset() <= from.offset());
        assert_eq!(missed, None, "it is missing before the gap from {from} on");
        match gap["reason"].as_str().unwrap() {
            "trimmed" => {
                assert!(from.epoch() != ledger.epoch() || disk.first > from.offset() + 1, "nothing is trimmed");
            }
            "epoch" => assert_ne!(from.epoch(), position.epoch(), "it is the same epoch"),
            "limit" => assert!(position.offset() - from.offset() > MATCHING as u64, "there is room for all"),
            "unavailable" => {}
            reason => panic!("a gap \"{reason}\" from {from}"),
        }
        self.gaps += 1;
        let known = self.position.map_or(0, |reached| ledger.number_behind(reached));
        self.fetched.push(known..ledger.number_behind(position));
    }

    fn wants(&self, event: &Event) -> bool {
        let organisation = event.organisation.as_ref().map(|organisation| organisation.as_str());
        let is_visible = organisation.is_none() || organisation == self.organisation;
        let resource = event.resource.as_ref().map(|resource| resource.as_str());
        is_visible && event.expires.is_none() && self.resource.is_none_or(|wanted| Some(wanted) == resource)
    }

    /// Every event came once, or is in the state that was fetched.
    pub(crate) fn assert_complete(&self, disk: &Disk) -> Totals {
        let ledger = &disk.ledger;
        assert_eq!(self.state, State::Subscribed, "the subscription was not answered");
        let is_fetched = |number| self.fetched.iter().any(|range| range.contains(&number));
        let owed = ledger.all.iter().filter(|entry| self.wants(&entry.event) && !is_fetched(entry.number));
        let mut totals =
            Totals { gaps: self.gaps, replayed: self.replayed, positions: self.positions, ..Totals::default() };
        for entry in owed {
            totals.owed += 1;
            totals.lost += u64::from(!self.received.contains_key(&entry.number));
        }
        totals.delivered = self.received.values().sum();
        totals.doubled = totals.delivered - self.received.len() as u64;
        assert_eq!(self.next(ledger), None, "an event never came");
        assert_eq!(self.position, Some(ledger.top()), "it was not told the latest position");
        assert_eq!((totals.lost, totals.doubled), (0, 0), "of {} events: lost and doubled", totals.owed);
        totals
    }
}

fn parse(position: &Value) -> Position {
    position.as_str().expect("it has a position").parse().unwrap()
}
