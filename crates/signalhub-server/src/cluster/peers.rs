//! `Peers`: the other nodes of the cluster, and what this one asks them for operators and publishers.

use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::{Stream, StreamExt};
use http::{Method, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use signalhub::connections::{ConnectionId, Node, NodeAnswer, NodeRequests, Owners};
use signalhub_redis::nodes::Nodes;
use tokio::time::{Instant, timeout, timeout_at};

/// What the paths of questions begin with.
pub(crate) const PREFIX: &str = "/node/v1/";

/// The parameter with the value that goes with a question.
const VALUE: &str = "value";

/// How many nodes are asked at the same time.
const ASKED_AT_ONCE: usize = 16;

/// How long the answer of one node may be: 1 000 connections take less than 1 MiB.
const LONGEST_ANSWER: usize = 4 << 20;

/// How long a node may take for its answer, and all of them together.
pub(crate) const ANSWER_TIME: Duration = Duration::from_secs(2);

/// The other nodes of the cluster.
#[derive(Clone, Debug)]
pub(crate) struct Peers {
    nodes: Nodes,
    owners: Arc<dyn Owners>,
    requests: Arc<OnceLock<NodeRequests>>,
}

/// What other nodes are asked.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    method: Method,
    /// The path behind [`PREFIX`], and the query.
    target: String,
}

impl Question {
    pub(crate) fn new(method: Method, target: impl Into<String>) -> Self {
        Self { method, target: target.into() }
    }

    /// A question with a value that goes with it, as another request has a body: the signature of a question covers no body.
    pub(crate) fn with(method: Method, path: &str, value: &impl Serialize) -> Self {
        let json = serde_json::to_vec(value).expect("texts always serialise");
        Self::new(method, format!("{path}?{VALUE}={}", URL_SAFE_NO_PAD.encode(json)))
    }
}

/// What the nodes answered that were asked for one of them.
#[derive(Debug)]
pub(crate) struct Found {
    /// The answer of the node that has it.
    pub(crate) answer: Option<NodeAnswer>,
    /// The names of the nodes that did not answer.
    pub(crate) missing: Vec<String>,
}

impl Peers {
    pub(super) fn new(nodes: &Nodes, owners: Arc<dyn Owners>) -> Self {
        Self { nodes: nodes.clone(), owners, requests: Arc::default() }
    }

    /// Lets it ask, once.
    pub(super) fn ask_with(&self, requests: NodeRequests) {
        self.requests.get_or_init(|| requests);
    }

    /// The name of this node.
    pub(crate) fn own_name(&self) -> &str {
        self.nodes.own_name().as_str()
    }

    /// The other nodes that are present, by name.
    pub(crate) fn others(&self) -> Vec<Node> {
        let others = |node: &&Node| node.name != *self.nodes.own_name();
        self.nodes.present().values().map(|present| &present.node).filter(others).cloned().collect()
    }

    /// Asks one node. `None` if it does not answer in time, or refuses to.
    pub(crate) async fn ask(&self, node: &Node, question: &Question) -> Option<NodeAnswer> {
        let target = format!("{PREFIX}{}", question.target);
        let requests = self.requests.get()?;
        let asked = requests.send(node, question.method.clone(), &target, LONGEST_ANSWER);
        match timeout(ANSWER_TIME, asked).await {
            Ok(Ok(answer)) => return Some(answer),
            Ok(Err(error)) => tracing::debug!(node = %node.name, %error, "a node does not answer"),
            Err(_) => tracing::debug!(node = %node.name, "a node does not answer in time"),
        }
        None
    }

    /// Asks all other nodes, and hands over each answer as it comes. Returns the names of those that do not answer within `time`, or
    /// whose answer is not taken.
    pub(crate) async fn ask_all(
        &self,
        question: &Question,
        time: Duration,
        mut take: impl FnMut(&Node, NodeAnswer) -> Option<()>,
    ) -> Vec<String> {
        let others = self.others();
        let mut missing: Vec<String> = others.iter().map(|node| node.name.to_string()).collect();
        let mut answers = pin!(self.answers(&others, question));
        let deadline = Instant::now() + time;
        while let Ok(Some((node, answer))) = timeout_at(deadline, answers.next()).await {
            if answer.and_then(|answer| take(node, answer)).is_some() {
                missing.retain(|name| *name != *node.name.as_str());
            }
        }
        missing
    }

    /// As [`ask_all`](Self::ask_all), with answers in JSON.
    pub(crate) async fn ask_all_for<T: DeserializeOwned>(
        &self,
        question: &Question,
        time: Duration,
        mut take: impl FnMut(&Node, T),
    ) -> Vec<String> {
        let read_and_take = |node: &Node, answer: NodeAnswer| {
            take(node, read(&answer)?);
            Some(())
        };
        self.ask_all(question, time, read_and_take).await
    }

    /// Asks for a connection: the node that has claimed it; if none has, or if that one does not have it, all others. A node answers 404
    /// if it does not have the connection. The claims of most WebSockets expire, so that a connection without one may be anywhere.
    pub(crate) async fn ask_owner(&self, id: &str, question: &Question) -> Found {
        let owner = self.owners.find(&ConnectionId::new(id)).await.ok().flatten();
        let owner = owner.filter(|owner| owner.name != *self.nodes.own_name());
        if let Some(owner) = owner
            && let Some(answer) = self.ask(&owner, question).await
            && has_it(&answer)
        {
            return Found { answer: Some(answer), missing: Vec::new() };
        }
        let others = self.others();
        let mut missing: Vec<String> = others.iter().map(|node| node.name.to_string()).collect();
        let mut answers = pin!(self.answers(&others, question));
        let deadline = Instant::now() + ANSWER_TIME;
        while let Ok(Some((node, answer))) = timeout_at(deadline, answers.next()).await {
            match answer {
                Some(answer) if has_it(&answer) => return Found { answer: Some(answer), missing: Vec::new() },
                Some(answer) if answer.status == StatusCode::NOT_FOUND => {
                    missing.retain(|name| *name != *node.name.as_str());
                }
                Some(_) | None => {}
            }
        }
        Found { answer: None, missing }
    }

    /// The answers of nodes, as they come.
    fn answers<'a>(
        &'a self,
        nodes: &'a [Node],
        question: &'a Question,
    ) -> impl Stream<Item = (&'a Node, Option<NodeAnswer>)> {
        let asked = nodes.iter().map(move |node| async move { (node, self.ask(node, question).await) });
        futures_util::stream::iter(asked).buffer_unordered(ASKED_AT_ONCE)
    }
}

/// Reads the value that goes with a question, from its query.
pub(crate) fn value<T: DeserializeOwned>(query: Option<&str>) -> Option<T> {
    let given = query?.strip_prefix(VALUE)?.strip_prefix('=')?;
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(given).ok()?).ok()
}

/// Whether a node has what it was asked for.
fn has_it(answer: &NodeAnswer) -> bool {
    answer.status.is_success()
}

/// Reads an answer in JSON. `None` if the node has refused to answer, or if it is of a version with other answers.
pub(crate) fn read<T: DeserializeOwned>(answer: &NodeAnswer) -> Option<T> {
    if !answer.status.is_success() {
        return None;
    }
    match serde_json::from_slice(&answer.body) {
        Ok(read) => Some(read),
        Err(error) => {
            tracing::debug!(%error, "the answer of a node cannot be read");
            None
        }
    }
}
