//! Streams that a client sends along with a call.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use futures_util::{Stream, StreamExt};
use serde::de::DeserializeOwned;
use signalhub_protocol::{BindError, Binder, Value};
use tokio::sync::Notify;

use super::binding::{Bindings, Pushed, UploadSink};
use super::call::Call;
use super::parameter::{FromClient, Parameter};
use crate::error::{ErrorDetails, HubError};
use crate::type_name::type_name;

/// A stream that the client sends: a parameter of hub methods, one for each stream in their order.
///
/// It ends with the client's completion, and fails once when the client fails it, when an item is of another type, or
/// when the connection ends. Items that are not taken hold the client up once `stream_buffer_capacity` of them wait.
///
/// ```
/// use signalhub::{HubError, Upload};
///
/// async fn sum(mut numbers: Upload<u64>) -> Result<u64, HubError> {
///     let mut sum = 0;
///     while let Some(number) = numbers.next().await {
///         sum += number?;
///     }
///     Ok(sum)
/// }
/// ```
pub struct Upload<T>(Arc<Queue<T>>);

impl<T> Upload<T> {
    /// Waits for the next item; `None` after the last one.
    pub async fn next(&mut self) -> Option<Result<T, HubError>> {
        StreamExt::next(self).await
    }
}

impl<T> Stream for Upload<T> {
    type Item = Result<T, HubError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut items = self.0.lock();
        if let Some(item) = items.waiting.pop_front() {
            drop(items);
            self.0.resume.notify_one();
            return Poll::Ready(Some(Ok(item)));
        }
        match &mut items.end {
            Some(error) => Poll::Ready(error.take().map(Err)),
            None => {
                items.reader = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl<T> Drop for Upload<T> {
    fn drop(&mut self) {
        let mut items = self.0.lock();
        items.abandoned = true;
        items.waiting.clear();
        drop(items);
        self.0.resume.notify_one();
    }
}

impl<T> fmt::Debug for Upload<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Upload({} waiting)", self.0.lock().waiting.len())
    }
}

impl<S, T: DeserializeOwned + Send + 'static> Parameter<S, FromClient> for Upload<T> {
    type Bound = Self;
    const STREAMS: usize = 1;

    fn bind(_: &mut Binder<'_>, bindings: &mut Bindings<'_>) -> Result<Self, BindError> {
        let queue = Arc::new(Queue {
            items: Mutex::new(Items { waiting: VecDeque::new(), end: None, reader: None, abandoned: false }),
            capacity: bindings.capacity,
            resume: Arc::clone(bindings.resume),
        });
        bindings.uploads.push(Arc::clone(&queue) as Arc<dyn UploadSink>);
        Ok(Self(queue))
    }

    fn take(bound: Self, _: &Call, _: &S) -> Result<Self, HubError> {
        Ok(bound)
    }
}

struct Queue<T> {
    items: Mutex<Items<T>>,
    capacity: usize,
    resume: Arc<Notify>,
}

struct Items<T> {
    waiting: VecDeque<T>,
    /// Set at the end; the error is returned once.
    end: Option<Option<HubError>>,
    reader: Option<Waker>,
    /// The method has dropped its `Upload`.
    abandoned: bool,
}

impl<T> Queue<T> {
    fn lock(&self) -> MutexGuard<'_, Items<T>> {
        self.items.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: DeserializeOwned + Send> UploadSink for Queue<T> {
    fn push(&self, item: &Value<'_>, details: ErrorDetails) -> Pushed {
        let item = match item.bind::<T>() {
            Ok(item) => item,
            Err(error) => {
                let reason = match error {
                    BindError::Conversion { reason } => reason,
                    other => other.to_string(),
                };
                self.end(Some(binding_failure::<T>(item, &reason, details)));
                return Pushed::Ended { reason };
            }
        };
        let mut items = self.lock();
        if !items.abandoned && items.end.is_none() {
            items.waiting.push_back(item);
            wake(items);
        }
        Pushed::Taken
    }

    fn end(&self, error: Option<HubError>) {
        let mut items = self.lock();
        items.end.get_or_insert(error);
        wake(items);
    }

    fn has_room(&self) -> bool {
        let items = self.lock();
        items.waiting.len() <= self.capacity || items.end.is_some()
    }
}

fn binding_failure<T>(item: &Value<'_>, reason: &str, details: ErrorDetails) -> HubError {
    let base = "Failed to bind Stream message.";
    HubError::new(match (details, item) {
        (ErrorDetails::Shown, Value::Json(_)) => format!("{base} JsonException: {reason}"),
        (ErrorDetails::Shown, Value::MessagePack(_)) => {
            let expected = type_name::<T>();
            format!("{base} InvalidDataException: Deserializing object of the `{expected}` type for 'item' failed.")
        }
        (ErrorDetails::Hidden, _) => base.to_owned(),
    })
}

/// The reader is woken after the lock is free, because it takes it at once.
fn wake<T>(mut items: MutexGuard<'_, Items<T>>) {
    let reader = items.reader.take();
    drop(items);
    if let Some(reader) = reader {
        reader.wake();
    }
}
