//! The streams that methods return: their items are sent to the client until the stream ends or is cancelled.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::{FutureExt, StreamExt};
use signalhub_connections::BoxFuture;
use signalhub_protocol::{HubMessage, StreamItem};

use super::answers::{self, CallDone, Failure};
use crate::calls::handler::{CallResult, ItemStream, panicked};
use crate::clients::client::Client;
use crate::error::{ErrorDetails, HubError};
use crate::flag::Flag;

/// A call of a streaming method, and where its items go.
pub(super) struct Streaming {
    pub(super) client: Arc<Client>,
    pub(super) id: Arc<str>,
    pub(super) target: Arc<str>,
    pub(super) details: ErrorDetails,
    pub(super) cancelled: Arc<Flag>,
    pub(super) on_cancel: OnCancel,
}

/// What a CancelInvocation message does to a stream.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum OnCancel {
    /// The stream is dropped, and completes without an error.
    Drop,
    /// The stream continues until its method ends it: the method has a [`Cancellation`](crate::Cancellation) and decides itself.
    Leave,
}

/// How a stream ended.
enum End {
    Complete,
    Failed(HubError),
    Unserialisable(String),
}

impl Streaming {
    /// Runs the method, then sends its items as fast as the client takes them.
    pub(super) async fn run(self, call: BoxFuture<Result<ItemStream, HubError>>) -> CallDone {
        let begun = AssertUnwindSafe(call).catch_unwind().await.unwrap_or_else(|_| Err(panicked()));
        let items = match begun {
            Ok(items) => items,
            Err(error) => {
                let base = format!("An unexpected error occurred invoking '{}' on the server.", self.target);
                return self.fail(error, &base);
            }
        };
        let end = AssertUnwindSafe(self.send_items(items)).catch_unwind().await;
        match end.unwrap_or_else(|_| End::Failed(panicked())) {
            End::Complete => answers::complete_stream(&self.client, &self.id),
            End::Failed(error) => return self.fail(error, "An error occurred on the server while streaming results."),
            End::Unserialisable(error) => {
                return CallDone::Unserialisable(Failure::unserialisable(&self.target, error));
            }
        }
        CallDone::Answered
    }

    fn fail(&self, error: HubError, base: &str) -> CallDone {
        let text = error.text_for_client(base, self.details);
        answers::complete_with_error(&self.client, &Some(Arc::clone(&self.id)), text);
        CallDone::Failed(Failure::new(&self.target, error))
    }

    async fn send_items(&self, mut items: ItemStream) -> End {
        let cancelled = async {
            match self.on_cancel {
                OnCancel::Drop => self.cancelled.raised().await,
                OnCancel::Leave => std::future::pending().await,
            }
        };
        let sending = async {
            while let Some(item) = items.next().await {
                match item {
                    CallResult::Value(encoded) => {
                        // Only this stream waits for the client to read; no other client does.
                        self.client.outbound().ready().await;
                        let item = StreamItem::new(self.id.as_ref(), self.client.protocol().value(&encoded));
                        if self.client.try_send(&HubMessage::StreamItem(item)).is_err() {
                            return End::Complete;
                        }
                        // A stream that always has an item yields to other tasks. While the queue is not empty it yields
                        // after each item, so that the other streams of the client get their turn.
                        if self.client.outbound().has_backlog() {
                            tokio::task::yield_now().await;
                        } else {
                            tokio::task::consume_budget().await;
                        }
                    }
                    CallResult::Failed(error) => return End::Failed(error),
                    CallResult::Unserialisable(error) => return End::Unserialisable(error.to_string()),
                }
            }
            End::Complete
        };
        // A cancellation is not an error: the stream just completes.
        tokio::select! {
            biased;
            () = cancelled => End::Complete,
            end = sending => end,
        }
    }
}
