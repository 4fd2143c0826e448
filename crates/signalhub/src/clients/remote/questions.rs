//! What other servers have asked clients of this one.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use signalhub_connections::ConnectionId;

use crate::backplane::{Question, QuestionId, ReturnAddress};
use crate::clients::results::ForeignAnswer;

/// How many answers of one client other servers may wait for. Beyond that the oldest question is forgotten: the server that
/// asked it does not say when it no longer waits.
const MOST_PER_CLIENT: usize = 1_000;

/// The questions that are not answered yet.
#[derive(Debug, Default)]
pub(super) struct Questions(Mutex<Open>);

#[derive(Debug, Default)]
struct Open {
    asked: HashMap<QuestionId, Asked>,
    /// The questions of each client, the oldest first.
    by_client: HashMap<ConnectionId, VecDeque<QuestionId>>,
}

#[derive(Debug)]
struct Asked {
    client: ConnectionId,
    return_to: ReturnAddress,
}

impl Questions {
    fn lock(&self) -> MutexGuard<'_, Open> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a question; `false` if its id is open already.
    pub(super) fn begin(&self, client: &ConnectionId, question: &Question) -> bool {
        let mut open = self.lock();
        if open.asked.contains_key(&question.id) {
            return false;
        }
        let asked = Asked { client: client.clone(), return_to: question.return_to.clone() };
        open.asked.insert(question.id.clone(), asked);
        let of_client = open.by_client.entry(client.clone()).or_default();
        of_client.push_back(question.id.clone());
        if of_client.len() > MOST_PER_CLIENT
            && let Some(oldest) = of_client.pop_front()
        {
            open.asked.remove(&oldest);
        }
        true
    }

    /// Ends a question that its client answers, and gives where the answer goes.
    pub(super) fn take(&self, client: &ConnectionId, id: &str) -> Result<Option<ReturnAddress>, ForeignAnswer> {
        let mut open = self.lock();
        let id = match open.asked.get_key_value(id) {
            None => return Ok(None),
            Some((_, asked)) if asked.client != *client => return Err(ForeignAnswer),
            Some((id, _)) => id.clone(),
        };
        if let Some(of_client) = open.by_client.get_mut(client) {
            of_client.retain(|open| *open != id);
            if of_client.is_empty() {
                open.by_client.remove(client);
            }
        }
        Ok(open.asked.remove(&id).map(|asked| asked.return_to))
    }

    /// Ends all questions of a client that has gone.
    pub(super) fn end(&self, client: &ConnectionId) -> Vec<Question> {
        let mut open = self.lock();
        let ids = open.by_client.remove(client).unwrap_or_default();
        let ended = |id| open.asked.remove(&id).map(|asked| Question { id, return_to: asked.return_to });
        ids.into_iter().filter_map(ended).collect()
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        let open = self.lock();
        open.asked.is_empty() && open.by_client.is_empty()
    }
}

#[cfg(test)]
mod tests;
