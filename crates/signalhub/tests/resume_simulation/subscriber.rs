//! A client that remembers the position of its last event, as the documented wrapper does, and checks each event.

use futures_util::FutureExt;
use serde_json::{Value, json};
use signalhub::Identity;
use signalhub::connections::Peer;
use signalhub::events::Position;

use crate::seed::Seed;
use crate::{EVENT, Published, RESOURCES};

pub(crate) struct Subscriber {
    resource: Option<&'static str>,
    organisation: Option<&'static str>,
    peer: Option<Peer>,
    state: State,
    /// Everything that matches was received up to here; `None` before the first answer.
    position: Option<Position>,
    /// Events of the replay whose answer is awaited.
    since_call: u64,
    pub(crate) replayed: u64,
    pub(crate) gaps: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Idle,
    Asked,
    Subscribed,
}

impl Subscriber {
    pub(crate) fn new(seed: &mut Seed) -> Self {
        let resource = RESOURCES.get(seed.below(5) as usize).copied();
        let organisation = (seed.below(2) == 0).then_some("acme");
        Self {
            resource,
            organisation,
            peer: None,
            state: State::Idle,
            position: None,
            since_call: 0,
            replayed: 0,
            gaps: 0,
        }
    }

    pub(crate) fn identity(&self) -> Identity {
        match self.organisation {
            Some(organisation) => Identity::user("ann").with_organisation(organisation),
            None => Identity::user("ann"),
        }
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.peer.is_some()
    }

    pub(crate) fn connect(&mut self, mut peer: Peer) {
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
            self.send("Subscribe", &json!({"e": EVENT, "r": resources, "since": since}));
            (self.state, self.since_call) = (State::Asked, 0);
        }
    }

    pub(crate) fn unsubscribe(&mut self) {
        if self.state == State::Subscribed {
            self.send("Unsubscribe", &json!({ "e": EVENT }));
            // What was sent before it is still to be read, so a new connection is simpler for the oracle.
            self.cut();
        }
    }

    fn send(&mut self, target: &str, request: &Value) {
        let call = json!({"type": 1, "invocationId": "1", "target": target, "arguments": [request]});
        self.peer.as_mut().unwrap().send(format!("{call}\u{1e}"));
    }

    /// Reads what has arrived, at most `most` messages.
    pub(crate) fn take_some(&mut self, most: u64, published: &[Published]) {
        for _ in 0..most {
            let Some(peer) = &mut self.peer else { return };
            let Some(Some(message)) = peer.receive().now_or_never() else { return };
            let message: Value = serde_json::from_slice(message.strip_suffix(b"\x1e").unwrap()).unwrap();
            match message["type"].as_u64() {
                Some(1) => self.on_event(&message["arguments"][0], published),
                Some(3) => self.on_answer(&message, published),
                // The answer to the handshake.
                None => {}
                _ => panic!("unexpected message {message}"),
            }
        }
    }

    fn on_event(&mut self, event: &Value, published: &[Published]) {
        let position: Position = event["r"].as_str().unwrap().parse().unwrap();
        let found = published.iter().find(|published| published.position == position).expect("it was published");
        assert!(self.wants(found), "{position} does not match");
        let expected = self.next_wanted(published);
        assert_eq!(Some(position), expected, "lost, doubled or out of order, after {:?}", self.position);
        self.position = Some(position);
        if self.state == State::Asked {
            self.since_call += 1;
        }
    }

    fn on_answer(&mut self, message: &Value, published: &[Published]) {
        assert_eq!(message.get("error"), None, "{message}");
        let result = &message["result"];
        let position: Position = result["position"].as_str().unwrap().parse().unwrap();
        assert_eq!(result["replayed"], json!(self.since_call));
        self.replayed += self.since_call;
        self.state = State::Subscribed;
        if result["gap"].is_null() {
            if let Some(reached) = self.position {
                assert_eq!(reached.epoch(), position.epoch(), "events of another epoch are missing");
                let missing = self.next_wanted(published).filter(|next| next.offset() <= position.offset());
                assert_eq!(missing, None, "the answer came before an event");
            }
        } else {
            self.gaps += 1;
            assert_eq!(result["gap"]["from"], json!(self.position.unwrap().to_string()));
        }
        self.position = Some(position);
    }

    /// The first event behind the position that the subscriber must get.
    fn next_wanted(&self, published: &[Published]) -> Option<Position> {
        let reached = self.position.expect("the first answer comes before the first event");
        let newer = published.iter().filter(|published| {
            published.position.epoch() == reached.epoch() && published.position.offset() > reached.offset()
        });
        newer.filter(|published| self.wants(published)).map(|published| published.position).next()
    }

    fn wants(&self, published: &Published) -> bool {
        let visible = published.organisation.is_none() || published.organisation == self.organisation;
        visible && self.resource.is_none_or(|resource| resource == published.resource)
    }

    pub(crate) fn assert_complete(&self, top: Position, published: &[Published]) {
        assert!(self.state == State::Subscribed, "the subscription was not answered");
        assert_eq!(self.position.unwrap().epoch(), top.epoch());
        assert_eq!(self.next_wanted(published), None, "an event never came");
    }
}
