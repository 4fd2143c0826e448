//! The client's half of stateful reconnect, as official clients implement it, on a network that the test controls.

use std::collections::VecDeque;

use futures_util::FutureExt;
use serde_json::{Value, json};
use signalhub::connections::Peer;

use crate::seed::Seed;

pub(crate) struct Client {
    peer: Peer,
    connected: bool,
    /// Records on their way to the hub.
    outgoing: VecDeque<String>,
    /// What the hub has not acknowledged, by number.
    unacknowledged: VecDeque<(u64, String)>,
    last_sent: u64,
    /// Messages of the hub are not counted until its Sequence message arrives.
    awaits_sequence: bool,
    next_received: u64,
    last_received: u64,
    said: Vec<u64>,
    answered: Vec<u64>,
}

impl Client {
    pub(crate) async fn shake_hands(mut peer: Peer) -> Self {
        peer.send("{\"protocol\":\"json\",\"version\":2}\u{1e}");
        assert_eq!(peer.receive().await.unwrap(), "{}\u{1e}");
        Self {
            peer,
            connected: true,
            outgoing: VecDeque::new(),
            unacknowledged: VecDeque::new(),
            last_sent: 0,
            awaits_sequence: false,
            next_received: 1,
            last_received: 0,
            said: Vec::new(),
            answered: Vec::new(),
        }
    }

    pub(crate) fn peer(&mut self) -> &mut Peer {
        &mut self.peer
    }

    pub(crate) fn said(&self) -> &[u64] {
        &self.said
    }

    pub(crate) fn answered(&self) -> &[u64] {
        &self.answered
    }

    pub(crate) fn unacknowledged(&self) -> usize {
        self.unacknowledged.len()
    }

    pub(crate) fn call(&mut self, number: u64) {
        let call = json!({"type": 1, "invocationId": number.to_string(), "target": "Call", "arguments": [number]});
        self.last_sent += 1;
        let record = format!("{call}\u{1e}");
        self.unacknowledged.push_back((self.last_sent, record.clone()));
        if self.connected {
            self.outgoing.push_back(record);
        }
    }

    /// Acknowledges the messages that were received.
    pub(crate) fn acknowledge(&mut self) {
        if self.connected && !self.awaits_sequence {
            self.outgoing.push_back(format!("{}\u{1e}", json!({"type": 8, "sequenceId": self.last_received})));
        }
    }

    /// Delivers some of the records on their way, and perhaps half of another one.
    pub(crate) fn send_some(&mut self, seed: &mut Seed) {
        for _ in 0..seed.below(4) {
            let Some(record) = self.outgoing.pop_front() else { return };
            if seed.below(4) == 0 {
                let (head, tail) = record.split_at(record.len() / 2);
                self.peer.send(head);
                self.outgoing.push_front(tail.to_owned());
            } else {
                self.peer.send(record);
            }
        }
    }

    pub(crate) fn send_all(&mut self) {
        for record in self.outgoing.drain(..) {
            self.peer.send(record);
        }
    }

    pub(crate) async fn take_some(&mut self, seed: &mut Seed) {
        for _ in 0..seed.below(5) {
            if !self.take() {
                return;
            }
        }
    }

    pub(crate) async fn take_all(&mut self) {
        while self.take() {}
    }

    /// Reads a record, if one has arrived.
    fn take(&mut self) -> bool {
        let Some(Some(record)) = self.connected.then(|| self.peer.receive().now_or_never()).flatten() else {
            return false;
        };
        let (end, json) = record.split_last().unwrap();
        assert_eq!(*end, 0x1e);
        let message: Value = serde_json::from_slice(json).unwrap();
        if message["type"] == 9 {
            self.awaits_sequence = false;
            self.next_received = message["sequenceId"].as_u64().unwrap();
            assert!(self.next_received <= self.last_received + 1, "the hub goes on behind a gap: {message}");
        } else if !self.awaits_sequence {
            self.hear(&message);
        }
        true
    }

    fn hear(&mut self, message: &Value) {
        match message["type"].as_u64().unwrap() {
            6 => return,
            8 => {
                let through = message["sequenceId"].as_u64().unwrap();
                self.unacknowledged.retain(|(number, _)| *number > through);
                return;
            }
            7 => panic!("the hub has closed: {message}"),
            _ => {}
        }
        let number = self.next_received;
        self.next_received += 1;
        if number <= self.last_received {
            return;
        }
        self.last_received = number;
        match message["type"].as_u64().unwrap() {
            1 => self.said.push(message["arguments"][0].as_u64().unwrap()),
            3 => self.answered.push(message["result"].as_u64().expect("a call succeeds")),
            other => panic!("type {other}"),
        }
    }

    /// Loses the transport, and with it what is on its way.
    pub(crate) fn lose(&mut self) {
        if self.connected {
            self.connected = false;
            self.outgoing.clear();
            self.peer.lose();
        }
    }

    /// Reconnects on a new transport; sometimes the hub has not noticed yet that the old one ended.
    pub(crate) fn reconnect(&mut self, seed: &mut Seed) {
        if seed.below(2) == 0 {
            self.lose();
        }
        self.outgoing.clear();
        self.peer.reconnect();
        (self.connected, self.awaits_sequence) = (true, true);
        let first = self.unacknowledged.front().map_or(self.last_sent + 1, |(number, _)| *number);
        self.outgoing.push_back(format!("{}\u{1e}", json!({"type": 9, "sequenceId": first})));
        self.outgoing.extend(self.unacknowledged.iter().map(|(_, record)| record.clone()));
    }
}
