//! Sequences of operations of two clients of one hub, and the invariants that hold after each of them.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::stream::{self, Stream, StreamExt};
use serde_json::{Value, json};
use signalhub::{
    Args, Caller, Cancellation, Clients, CloseReason, ConnectionId, Groups, Hub, HubError, Identity, State, Upload,
};

use crate::support::{Client, Shared, ended, failed, idle, result, soon};

/// Ids are few, so that they are used again while they are in use.
const IDS: u8 = 4;

/// More rounds than any sequence needs until all its calls are answered.
const ROUNDS: usize = 500;

/// More permits of the gate than all calls of a sequence need.
const OPEN: usize = 10_000;

/// In kilobytes: several times what a client may leave unread before its streams pause.
const FLOOD: usize = 200;

/// What one of the two clients does.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Operation {
    side: usize,
    id: u8,
    action: Action,
}

/// What can be done.
#[derive(Clone, Copy, Debug)]
enum Action {
    Invoke(&'static str),
    InvokeWithoutId(&'static str),
    InvokeWithUploads(&'static str, u8),
    Stream(&'static str),
    StreamWithUpload(&'static str, u8),
    Item,
    WrongItem,
    Burst,
    EndUpload,
    FailUpload,
    Cancel,
    Answer(AnswerKind),
    Ping,
    Tick,
    OpenGate,
    Read,
    Idle,
    Vanish,
    Close,
    Nonsense,
    Drain,
}

/// How a question is answered.
#[derive(Clone, Copy, Debug)]
enum AnswerKind {
    Value,
    WrongType,
    Error,
    Nothing,
    /// By the client that was not asked.
    Foreign,
}

/// With no id, and with one, methods are called rightly and wrongly.
const PLAIN: [&str; 8] = ["Echo", "Wait", "Wait", "Fail", "Ask", "AskOther", "Count", "Nope"];
const STREAMS: [&str; 7] = ["Count", "Gated", "Gated", "Stubborn", "Flood", "Refuse", "Echo"];
const UPLOADS: [&str; 5] = ["Sum", "Careful", "ReadsNothing", "Both", "Echo"];
const BOTH: [&str; 2] = ["EchoAll", "TwoOf"];
const ANSWERS: [AnswerKind; 5] =
    [AnswerKind::Value, AnswerKind::WrongType, AnswerKind::Error, AnswerKind::Nothing, AnswerKind::Foreign];

impl From<[u8; 2]> for Operation {
    fn from([kind, detail]: [u8; 2]) -> Self {
        let (side, id, variant) = (usize::from(detail & 1), (detail >> 1) % IDS, detail >> 3);
        let choice = usize::from(variant);
        let action = match kind % 40 {
            0..6 => Action::Invoke(PLAIN[choice % PLAIN.len()]),
            6 => Action::InvokeWithoutId(PLAIN[choice % PLAIN.len()]),
            7..12 => Action::InvokeWithUploads(UPLOADS[choice % UPLOADS.len()], variant % IDS),
            12..16 => Action::Stream(STREAMS[choice % STREAMS.len()]),
            16 => Action::StreamWithUpload(BOTH[choice % BOTH.len()], variant % IDS),
            17..20 => Action::Item,
            20 => Action::WrongItem,
            21 => Action::Burst,
            22..24 => Action::EndUpload,
            24 => Action::FailUpload,
            25..27 => Action::Cancel,
            27..30 => Action::Answer(ANSWERS[choice % ANSWERS.len()]),
            30 => Action::Ping,
            31 => Action::Tick,
            32..34 => Action::OpenGate,
            34 => Action::Read,
            35..38 => Action::Idle,
            38 => [Action::Vanish, Action::Close, Action::Nonsense, Action::Drain][choice % 4],
            _ => Action::Idle,
        };
        Self { side, id, action }
    }
}

async fn wait(State(shared): State<Shared>) -> Result<(), HubError> {
    let _guard = shared.alive.guard();
    shared.wait().await
}

async fn ask(State(shared): State<Shared>, clients: Clients) -> Result<i32, HubError> {
    let _guard = shared.alive.guard();
    Ok(clients.caller().invoke::<i32>("Ask", ()).await?)
}

async fn ask_other(
    State(shared): State<Shared>,
    clients: Clients,
    Args((other,)): Args<(ConnectionId,)>,
) -> Result<i32, HubError> {
    let _guard = shared.alive.guard();
    Ok(clients.client(&other).invoke::<i32>("Ask", ()).await?)
}

async fn gated(State(shared): State<Shared>) -> Result<impl Stream<Item = Result<usize, HubError>>, HubError> {
    let guard = shared.alive.guard();
    Ok(stream::unfold((shared, guard), async |(shared, guard)| {
        shared.wait().await.ok()?;
        Some((Ok(1), (shared, guard)))
    }))
}

async fn sum(State(shared): State<Shared>, mut numbers: Upload<i64>) -> Result<i64, HubError> {
    let _guard = shared.alive.guard();
    let mut sum = 0;
    while let Some(number) = numbers.next().await {
        sum += number?;
    }
    Ok(sum)
}

async fn careful(State(shared): State<Shared>, mut numbers: Upload<i64>) -> Result<(), HubError> {
    let _guard = shared.alive.guard();
    while numbers.next().await.transpose()?.is_some() {
        shared.wait().await?;
    }
    Ok(())
}

/// Reads them side by side: if it read one after the other, a client that fills the second one first would wait forever.
async fn both(shared: State<Shared>, first: Upload<i64>, second: Upload<i64>) -> Result<i64, HubError> {
    let (first, second) = futures_util::future::join(sum(shared.clone(), first), sum(shared, second)).await;
    Ok(first? + second?)
}

fn hub() -> (Hub, Shared) {
    let (shared, _) = Shared::new();
    let hub = Hub::builder()
        // Silence ends no connection here: sequences have more ticks than the default timeout has seconds.
        .configure(|options| options.client_timeout_interval = Duration::from_secs(3600))
        .state(shared.clone())
        .on_connected(async |groups: Groups, caller: Caller| {
            groups.add(caller.id(), "everyone").await?;
            Ok(())
        })
        .on_disconnected(async |clients: Clients| Ok(clients.group("everyone").send("Left", ()).await?))
        .method("Echo", async |Args((value,)): Args<(Value,)>| Ok(value))
        .method("Wait", wait)
        .method("Fail", async || Err::<(), _>(HubError::new("no")))
        .method("Ask", ask)
        .method("AskOther", ask_other)
        .method("Sum", sum)
        .method("Careful", careful)
        .method("ReadsNothing", async |shared: State<Shared>, _: Upload<i64>| wait(shared).await)
        .method("Both", both)
        .stream("Count", async |Args((n,)): Args<(u32,)>| Ok(stream::iter((0..n).map(Ok))))
        .stream("Gated", gated)
        .stream("Stubborn", async |shared: State<Shared>, _: Cancellation| Ok(gated(shared).await?.take(3)))
        .stream("Flood", async |State(shared): State<Shared>| {
            let guard = shared.alive.guard();
            Ok(stream::repeat("x".repeat(1024)).take(FLOOD).map(move |text| {
                let _ = &guard;
                Ok(text)
            }))
        })
        .stream("Refuse", async || Ok(stream::iter([Ok(1), Err(HubError::new("no"))])))
        .stream("EchoAll", async |_: State<Shared>, values: Upload<i64>| Ok(values))
        .stream("TwoOf", async |values: Upload<i64>| Ok(values.take(2)))
        .build();
    (hub, shared)
}

/// One of the two clients, and the messages that it has received.
struct Side {
    client: Client,
    /// How many calls asked for an answer, and how many were answered, by id.
    asked: HashMap<String, usize>,
    answered: HashMap<String, usize>,
    questions: Vec<String>,
    /// Whether its connection must not end.
    stays: bool,
    closed: bool,
}

impl Side {
    async fn connect(hub: &Hub) -> Self {
        Self {
            client: Client::connect_as(hub, Identity::user("ann")).await,
            asked: HashMap::new(),
            answered: HashMap::new(),
            questions: Vec::new(),
            stays: true,
            closed: false,
        }
    }

    fn call(&mut self, kind: u8, id: Option<&str>, target: &str, arguments: &Value, uploads: &[String]) {
        let mut call = json!({"type": kind, "target": target, "arguments": arguments, "streamIds": uploads});
        if let Some(id) = id {
            call["invocationId"] = json!(id);
            *self.asked.entry(id.to_owned()).or_default() += 1;
        }
        self.client.say(&call);
    }

    /// Reads some of the messages that have arrived.
    async fn read(&mut self) {
        idle().await;
        for _ in 0..100 {
            match self.client.peer.receive().now_or_never() {
                Some(Some(message)) => self.take(&message),
                Some(None) | None => return,
            }
        }
    }

    /// Reads the remaining messages, to the end of the connection.
    async fn end(mut self) {
        while let Some(message) = soon(self.client.peer.receive()).await {
            self.take(&message);
        }
        self.client.ends().await;
    }

    fn take(&mut self, message: &[u8]) {
        assert!(!self.closed, "a message followed a Close message");
        let (end, json) = message.split_last().expect("no message is empty");
        assert_eq!(*end, 0x1e);
        let message: Value = serde_json::from_slice(json).expect("messages are JSON");
        let id = message["invocationId"].as_str().unwrap_or_default().to_owned();
        match message["type"].as_i64() {
            Some(1) if id.is_empty() => assert_eq!(message["target"], "Left"),
            Some(1) => self.questions.push(id),
            Some(2) => assert!(self.asked.contains_key(&id), "an item for {id}, which was never asked for"),
            Some(3) => {
                let answered = self.answered.entry(id.clone()).or_default();
                *answered += 1;
                assert!(*answered <= self.asked.get(&id).copied().unwrap_or(0), "{id} ended too often");
            }
            Some(6) => {}
            Some(7) => self.closed = true,
            _ => panic!("{message} was not expected"),
        }
    }

    fn is_settled(&self) -> bool {
        !self.stays || self.asked == self.answered
    }
}

/// Runs the operations in order, and fails if an invariant does not hold.
pub(crate) fn run(operations: &[Operation]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime").block_on(check(operations));
}

async fn check(operations: &[Operation]) {
    let (hub, shared) = hub();
    let mut sides = [Side::connect(&hub).await, Side::connect(&hub).await];
    for operation in operations {
        apply(*operation, &mut sides, &shared).await;
    }
    for _ in 0..ROUNDS {
        if sides.iter().all(Side::is_settled) {
            break;
        }
        push_on(&mut sides, &shared).await;
    }
    for side in sides.iter().filter(|side| side.stays) {
        assert!(!side.closed, "a connection was closed without a reason");
        assert_eq!(side.asked, side.answered, "not every call has ended once");
    }
    for side in &mut sides {
        side.client.vanish();
    }
    idle().await;
    // Calls that wait for the gate go on without their clients.
    shared.let_through(OPEN);
    for side in sides {
        side.end().await;
    }
    shared.alive.becomes(0).await;
    assert_eq!((hub.client_count(), hub.group_count(), hub.pending_result_count()), (0, 0, 0));
}

async fn apply(Operation { side, id, action }: Operation, sides: &mut [Side; 2], shared: &Shared) {
    let other = sides[1 - side].client.id().clone();
    let id = id.to_string();
    let arguments = |target: &str| match target {
        "Echo" | "Count" => json!([2]),
        "AskOther" => json!([other]),
        _ => json!([]),
    };
    let this = &mut sides[side];
    match action {
        Action::Invoke(target) => this.call(1, Some(&id), target, &arguments(target), &[]),
        Action::InvokeWithoutId(target) => this.call(1, None, target, &arguments(target), &[]),
        Action::InvokeWithUploads("Both", upload) => {
            this.call(1, Some(&id), "Both", &json!([]), &[upload.to_string(), id.clone()]);
        }
        Action::InvokeWithUploads(target, upload) => {
            this.call(1, Some(&id), target, &arguments(target), &[upload.to_string()]);
        }
        Action::Stream(target) => this.call(4, Some(&id), target, &arguments(target), &[]),
        Action::StreamWithUpload(target, upload) => {
            this.call(4, Some(&id), target, &json!([]), &[upload.to_string()]);
        }
        Action::Item => this.client.item(&id, &json!(1)),
        Action::WrongItem => this.client.item(&id, &json!("one")),
        Action::Burst => (0..12).for_each(|i| this.client.item(&id, &json!(i))),
        Action::EndUpload => this.client.complete(&id),
        Action::FailUpload => this.client.say(&failed(&id, "gave up")),
        Action::Cancel => this.client.cancel(&id),
        Action::Answer(kind) => answer(kind, side, sides),
        Action::Ping => this.client.say(&json!({"type": 6})),
        Action::Tick => {
            tokio::time::advance(Duration::from_secs(1)).await;
            this.client.peer.tick();
        }
        Action::OpenGate => shared.let_through(1),
        Action::Read => this.read().await,
        Action::Idle => idle().await,
        Action::Vanish | Action::Close | Action::Nonsense | Action::Drain => leave(action, this),
    }
}

fn leave(action: Action, side: &mut Side) {
    side.stays = false;
    match action {
        Action::Close => side.client.say(&json!({"type": 7})),
        Action::Nonsense => side.client.peer.send("{\u{1e}"),
        Action::Drain => side.client.peer.drain(),
        _ => side.client.peer.end(CloseReason::ClientGone),
    }
}

/// Answers the last invocation of this client that asks for a result.
fn answer(kind: AnswerKind, side: usize, sides: &mut [Side; 2]) {
    let Some(question) = sides[side].questions.last().cloned() else { return };
    let message = match kind {
        AnswerKind::Value => result(&question, &json!(1)),
        AnswerKind::WrongType => result(&question, &json!("one")),
        AnswerKind::Error => failed(&question, "no"),
        AnswerKind::Nothing => ended(&question),
        AnswerKind::Foreign => {
            // This ends its connection only if the call still waits for the answer.
            let stranger = &mut sides[1 - side];
            stranger.stays = false;
            return stranger.client.say(&result(&question, &json!(1)));
        }
    };
    sides[side].client.say(&message);
}

/// Ends all streams, answers all invocations of the server, and opens the gate.
async fn push_on(sides: &mut [Side; 2], shared: &Shared) {
    for side in &mut *sides {
        for id in 0..IDS {
            side.client.cancel(&id.to_string());
            side.client.complete(&id.to_string());
        }
        for question in std::mem::take(&mut side.questions) {
            side.client.say(&result(&question, &json!(1)));
        }
    }
    shared.let_through(8);
    // A drain waits for running calls until a tick finds that the grace period is over.
    idle().await;
    tokio::time::advance(Duration::from_secs(1)).await;
    for side in sides.iter() {
        side.client.peer.tick();
    }
    for side in sides {
        side.read().await;
    }
}
