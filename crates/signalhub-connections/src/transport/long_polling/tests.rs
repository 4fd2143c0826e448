use std::task::Poll;

use proptest::prelude::*;
use tokio::task::{JoinHandle, yield_now};

use super::*;
use crate::frame::Frame;
use crate::intake::Intake;
use crate::outbound::{Outbound, QueueLimits, SendQueue, Writer};
use crate::transport::received::Received;
use crate::websocket_codec::MessageKind;

/// One thing that happens to a polling connection. Tasks run when the steps yield; numbers choose among them.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// A poll arrives, which replaces the one before.
    Poll,
    /// The client gives a poll up.
    Abort(usize),
    /// Every task that can make progress is polled.
    Yield,
    /// Time passes; polls may time out.
    Advance(u64),
    /// The server sends a message of this many bytes.
    Send(usize),
    /// A POST of this many bytes arrives, in pieces.
    Post(usize),
    /// The handler reads what came.
    Read,
    /// The handler sends its last message and returns.
    Close,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => Just(Step::Poll),
        2 => (0..4usize).prop_map(Step::Abort),
        6 => Just(Step::Yield),
        2 => (0..150u64).prop_map(Step::Advance),
        6 => (0..300usize).prop_map(Step::Send),
        2 => (0..100_000usize).prop_map(Step::Post),
        2 => Just(Step::Read),
    ];
    (prop::collection::vec(step, 0..120), prop::option::of(0..120usize)).prop_map(|(mut steps, close)| {
        if let Some(at) = close.filter(|at| *at <= steps.len()) {
            steps.insert(at, Step::Close);
        }
        steps
    })
}

/// What polls gave back, one after another.
#[derive(Debug, Default)]
struct Fetched {
    bytes: Vec<u8>,
    ended: bool,
}

struct World {
    polls: Arc<Polls>,
    send_queue: Arc<SendQueue>,
    polling: Vec<JoinHandle<()>>,
    posting: Vec<JoinHandle<()>>,
    sent: Vec<u8>,
    fetched: Arc<Mutex<Fetched>>,
    posted: Vec<u8>,
    read: Vec<u8>,
    closed: bool,
}

impl World {
    fn new() -> Self {
        let send_queue = Arc::new(SendQueue::new(QueueLimits::default(), Arc::default(), Arc::default(), Writer::Poll));
        Self {
            polls: Polls::new(Inbox::new(Arc::clone(&send_queue)), Duration::from_secs(90), Duration::from_secs(15)),
            send_queue,
            polling: Vec::new(),
            posting: Vec::new(),
            sent: Vec::new(),
            fetched: Arc::default(),
            posted: Vec::new(),
            read: Vec::new(),
            closed: false,
        }
    }

    async fn step(&mut self, step: Step) {
        match step {
            Step::Poll => self.poll(),
            Step::Abort(number) if !self.polling.is_empty() => self.polling[number % self.polling.len()].abort(),
            Step::Abort(_) => {}
            Step::Yield => yield_now().await,
            Step::Advance(seconds) => tokio::time::advance(Duration::from_secs(seconds)).await,
            Step::Send(len) => {
                let payload = pattern(self.sent.len(), len);
                let result =
                    Outbound::new(Arc::clone(&self.send_queue)).send(&Frame::new(MessageKind::Binary, &payload));
                assert_eq!(result.is_err(), self.closed);
                if !self.closed {
                    self.sent.extend_from_slice(&payload);
                }
            }
            Step::Post(len) => self.post(len),
            Step::Read => self.read_input(),
            Step::Close => self.close(),
        }
        self.polling.retain(|task| !task.is_finished());
        self.posting.retain(|task| !task.is_finished());
    }

    fn poll(&mut self) {
        let (polls, fetched) = (Arc::clone(&self.polls), Arc::clone(&self.fetched));
        self.polling.push(tokio::spawn(async move {
            let _present = Present::new(&polls);
            let polled = polls.poll().await;
            let mut fetched = fetched.lock().unwrap();
            match polled {
                Polled::Data(data) => {
                    assert!(!fetched.ended, "data came behind the end");
                    fetched.bytes.extend_from_slice(&data);
                }
                Polled::Ended => fetched.ended = true,
                Polled::Replaced | Polled::TimedOut => {}
            }
        }));
    }

    fn post(&mut self, len: usize) {
        let body = pattern(self.posted.len(), len);
        self.posted.extend_from_slice(&body);
        let inbox = Arc::clone(self.polls.inbox());
        self.posting.push(tokio::spawn(async move {
            let _turn = inbox.turn().await;
            for piece in body.chunks(16 * 1024) {
                inbox.push(piece).await;
            }
        }));
    }

    fn read_input(&mut self) {
        while !self.closed
            && let Poll::Ready(Received::Bytes) = self.polls.inbox().poll(&mut self.read, Intake::Open)
        {}
        assert!(self.posted.starts_with(&self.read), "what was posted came in another order");
    }

    fn close(&mut self) {
        self.closed = true;
        self.send_queue.finish(Some(&Frame::new(MessageKind::Text, b"bye")), CloseReason::Finished);
        self.sent.extend_from_slice(b"bye");
        self.send_queue.disconnect();
        self.polls.inbox().abandon();
    }

    /// Plays to the end: the handler reads everything and closes, the client polls until it is told so.
    async fn finish(mut self) {
        for _ in 0..1000 {
            if self.posting.is_empty() {
                break;
            }
            self.step(Step::Read).await;
            self.step(Step::Yield).await;
        }
        assert!(self.posting.is_empty(), "a POST hangs");
        self.read_input();
        if !self.closed {
            assert_eq!(self.read, self.posted);
            self.close();
        }
        loop {
            for poll in self.polling.drain(..) {
                // Less than a poll's own timeout, so that a poll that is not woken is found.
                let joined = tokio::time::timeout(Duration::from_secs(60), poll).await.expect("a poll hangs");
                assert!(joined.is_ok() || joined.is_err_and(|error| error.is_cancelled()));
            }
            if self.fetched.lock().unwrap().ended {
                break;
            }
            self.poll();
        }
        assert_eq!(self.fetched.lock().unwrap().bytes, self.sent);
        assert_eq!(self.polls.presence.lock().unwrap().waiting, 0, "a poll is still counted");
        assert_eq!(Arc::strong_count(&self.polls), 1);
    }
}

/// Bytes that tell where in the stream they belong.
fn pattern(start: usize, len: usize) -> Vec<u8> {
    (start..start + len).map(|place| (place ^ place >> 8) as u8).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_message_is_lost_or_doubled_whatever_overlaps(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let mut world = World::new();
            for step in steps {
                world.step(step).await;
            }
            world.finish().await;
        });
    }
}

#[tokio::test(start_paused = true)]
async fn a_newer_poll_takes_over_and_an_idle_one_times_out() {
    let world = World::new();
    let poll = || {
        let polls = Arc::clone(&world.polls);
        tokio::spawn(async move { polls.poll().await })
    };
    let first = poll();
    yield_now().await;
    let second = poll();
    assert_eq!(first.await.unwrap(), Polled::Replaced);
    yield_now().await;
    Outbound::new(Arc::clone(&world.send_queue)).send(&Frame::new(MessageKind::Text, b"news")).unwrap();
    let second = tokio::time::timeout(Duration::from_secs(1), second).await.expect("news wake the poll");
    assert_eq!(second.unwrap(), Polled::Data(Bytes::from_static(b"news")));
    assert_eq!(poll().await.unwrap(), Polled::TimedOut);
}
