//! Calls of the server that clients answer (HubProtocol, client results).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::de::DeserializeOwned;
use signalhub_connections::ConnectionId;
use signalhub_protocol::{BindError, Outcome};
use tokio::sync::oneshot;

use super::client::Client;
use super::errors::InvokeError;
use super::result_id::ResultId;
use crate::panics;
use crate::type_name::type_name;

/// The calls of one hub that wait for their clients' answers.
#[derive(Default)]
pub(crate) struct ClientResults(Mutex<HashMap<ResultId, Pending>>);

struct Pending {
    client: Arc<Client>,
    answer: Answering,
}

/// Converts an answer and passes it on to the call that waits.
pub(crate) type Answering = Box<dyn FnOnce(Answer<'_>) -> Delivery + Send>;

pub(crate) enum Answer<'a> {
    Completed(Outcome<'a>),
    Disconnected,
}

/// How an answer reached the call that waits for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delivery {
    /// The call has its answer, or no longer waits.
    Done,
    /// The `Deserialize` of the result panicked, so the call got an error.
    Panicked,
}

/// An answer came from another connection than the one that was asked.
#[derive(Debug)]
pub(crate) struct ForeignAnswer;

impl ClientResults {
    fn lock(&self) -> MutexGuard<'_, HashMap<ResultId, Pending>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts to wait for an answer, until the `Wait` is dropped.
    pub(crate) fn wait<T>(&self, client: &Arc<Client>) -> Wait<'_, T>
    where
        T: DeserializeOwned + Send + 'static,
    {
        let id = ResultId::next();
        let (answering, answer) = answering::<T>(client.id().clone());
        self.lock().insert(id, Pending { client: Arc::clone(client), answer: answering });
        client.asked().insert(id);
        Wait { results: self, client: Arc::clone(client), id, answer }
    }

    /// Passes on a client's completion; a completion that is not waited for is ignored.
    pub(crate) fn complete(&self, client: &Client, id: &str, outcome: Outcome<'_>) -> Result<Delivery, ForeignAnswer> {
        let Some(id) = ResultId::parse(id) else { return Ok(Delivery::Done) };
        let pending = {
            let mut results = self.lock();
            match results.get(&id) {
                None => return Ok(Delivery::Done),
                Some(pending) if pending.client.id() != client.id() => return Err(ForeignAnswer),
                Some(_) => results.remove(&id),
            }
        };
        Ok(pending.map_or(Delivery::Done, |pending| (pending.answer)(Answer::Completed(outcome))))
    }

    /// Ends all waiting for a client that has gone.
    pub(crate) fn disconnect(&self, client: &Client) {
        for id in std::mem::take(&mut *client.asked()) {
            let pending = self.lock().remove(&id);
            if let Some(pending) = pending {
                (pending.answer)(Answer::Disconnected);
            }
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }
}

/// What converts the answer of a client, and the end at which its result comes out.
pub(crate) fn answering<T>(connection: ConnectionId) -> (Answering, oneshot::Receiver<Result<T, InvokeError>>)
where
    T: DeserializeOwned + Send + 'static,
{
    let (sender, answer) = oneshot::channel();
    let answering = move |answer: Answer<'_>| {
        let (answer, delivery) = match panics::catch(|| convert(answer, connection)) {
            Some(answer) => (answer, Delivery::Done),
            None => (Err(conversion_failure::<T>("its `Deserialize` panicked")), Delivery::Panicked),
        };
        // The wait may have been dropped.
        let _ = sender.send(answer);
        delivery
    };
    (Box::new(answering), answer)
}

fn convert<T: DeserializeOwned>(answer: Answer<'_>, connection: ConnectionId) -> Result<T, InvokeError> {
    match answer {
        Answer::Disconnected => Err(InvokeError::Disconnected(connection)),
        Answer::Completed(Outcome::Error(text)) => Err(InvokeError::Refused(text.into_owned())),
        // The original throws an exception without a message here.
        Answer::Completed(Outcome::Void) => Err(InvokeError::Refused(
            "Exception of type 'Microsoft.AspNetCore.SignalR.HubException' was thrown.".to_owned(),
        )),
        Answer::Completed(Outcome::Result(value)) => value.bind().map_err(|error| {
            let reason = match error {
                BindError::Conversion { reason } => reason,
                other => other.to_string(),
            };
            conversion_failure::<T>(&reason)
        }),
    }
}

fn conversion_failure<T>(reason: &str) -> InvokeError {
    InvokeError::Refused(format!("Error trying to deserialize result to {}. {reason}", type_name::<T>()))
}

/// Waits for one answer.
pub(crate) struct Wait<'a, T> {
    results: &'a ClientResults,
    client: Arc<Client>,
    id: ResultId,
    answer: oneshot::Receiver<Result<T, InvokeError>>,
}

impl<T> Wait<'_, T> {
    pub(crate) fn id(&self) -> ResultId {
        self.id
    }

    pub(crate) async fn answer(mut self) -> Result<T, InvokeError> {
        match (&mut self.answer).await {
            Ok(answer) => answer,
            Err(_) => Err(InvokeError::Disconnected(self.client.id().clone())),
        }
    }
}

impl<T> Drop for Wait<'_, T> {
    fn drop(&mut self) {
        self.results.lock().remove(&self.id);
        self.client.asked().remove(&self.id);
    }
}
