//! The server whose state is shown, asked through its admin API.

use std::time::Duration;

use time::OffsetDateTime;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use crate::commands::admin_client::{AdminClient, AdminError};

use super::answers::{Overview, Page};
use super::column::Column;
use super::filter::Filter;
use super::sample::Sample;
use super::view::Sampling;

/// What the server is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Question {
    pub(super) order: &'static str,
    pub(super) filter: Filter,
    /// The number of connections.
    pub(super) limit: u16,
    pub(super) sampling: Sampling,
}

impl Question {
    pub(super) fn new(column: Column, filter: Filter, limit: u16) -> Self {
        Self { order: column.server_order(), filter, limit, sampling: Sampling::Running }
    }

    fn query(&self) -> Vec<(&str, String)> {
        let mut query = vec![("sort", self.order.to_owned()), ("limit", self.limit.to_string())];
        query.extend(self.filter.parameters().iter().cloned());
        query
    }
}

/// Asks once.
pub(super) async fn ask(client: &AdminClient, question: &Question) -> Result<Sample, AdminError> {
    let overview = client.get::<Overview>("overview", &[]).await?;
    let mut query = question.query();
    // The numbers are those of this node, so the connections of other nodes of its cluster are left out.
    query.extend(overview.cluster.is_some().then(|| ("node", overview.node.clone())));
    let page = client.get::<Page>("connections", &query).await?;
    Ok(Sample::new(overview, page, Instant::now(), OffsetDateTime::now_utc()))
}

/// Asks again and again, and at once when the question changes, until no one takes the answers.
pub(super) async fn ask_repeatedly(
    client: AdminClient,
    interval: Duration,
    mut questions: watch::Receiver<Question>,
    answers: mpsc::Sender<Result<Sample, AdminError>>,
) {
    loop {
        let question = questions.borrow_and_update().clone();
        let round = async {
            if question.sampling == Sampling::Paused {
                return std::future::pending().await;
            }
            let sent = answers.send(ask(&client, &question).await).await;
            tokio::time::sleep(interval).await;
            sent.is_ok()
        };
        let goes_on = tokio::select! {
            taken = round => taken,
            changed = questions.changed() => changed.is_ok(),
        };
        if !goes_on {
            break;
        }
    }
}
