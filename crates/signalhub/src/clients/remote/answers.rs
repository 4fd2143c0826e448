//! Calls of this server that clients of other servers answer.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde::de::DeserializeOwned;
use signalhub_connections::ConnectionId;
use signalhub_protocol::Outcome;
use tokio::sync::oneshot;

use crate::backplane::QuestionId;
use crate::clients::errors::InvokeError;
use crate::clients::results::{Answer, Answering, Delivery, answering};

/// The calls that wait.
#[derive(Default)]
pub(crate) struct Answers(Mutex<HashMap<QuestionId, (ConnectionId, Answering)>>);

impl Answers {
    fn lock(&self) -> MutexGuard<'_, HashMap<QuestionId, (ConnectionId, Answering)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts to wait for an answer, until the `Wait` is dropped.
    pub(crate) fn wait<T>(&self, client: &ConnectionId, id: QuestionId) -> Wait<'_, T>
    where
        T: DeserializeOwned + Send + 'static,
    {
        let (answering, answer) = answering::<T>(client.clone());
        self.lock().insert(id.clone(), (client.clone(), answering));
        Wait { answers: self, client: client.clone(), id, answer }
    }

    /// Passes on an answer, and gives whose it is; one that is not waited for is ignored.
    pub(super) fn complete(&self, id: &str, outcome: Outcome<'_>) -> Option<(ConnectionId, Delivery)> {
        let (client, answering) = self.lock().remove(id)?;
        Some((client, answering(Answer::Completed(outcome))))
    }

    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }
}

/// An id as the original makes it: 16 random bytes in base64 without padding, 22 characters. No two servers make the same one.
pub(super) fn random_id() -> QuestionId {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("the operating system has a random number generator");
    QuestionId::new(STANDARD_NO_PAD.encode(bytes))
}

/// Waits for one answer.
pub(crate) struct Wait<'a, T> {
    answers: &'a Answers,
    client: ConnectionId,
    id: QuestionId,
    answer: oneshot::Receiver<Result<T, InvokeError>>,
}

impl<T> Wait<'_, T> {
    pub(crate) async fn answer(mut self) -> Result<T, InvokeError> {
        match (&mut self.answer).await {
            Ok(answer) => answer,
            Err(_) => Err(InvokeError::Disconnected(self.client.clone())),
        }
    }
}

impl<T> Drop for Wait<'_, T> {
    fn drop(&mut self) {
        self.answers.lock().remove(&self.id);
    }
}
