//! The queue of spans that have ended, and the task that sends them. Ending a span never waits: if the queue is full, the span is dropped.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use opentelemetry::Context;
use opentelemetry_otlp::SpanExporter;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span, SpanData, SpanExporter as _, SpanProcessor};
use tokio::sync::{mpsc, oneshot};

use super::settings::Settings;

/// How many spans may wait.
const CAPACITY: usize = 4_096;

/// How many are sent together.
const BATCH: usize = 512;

/// The sender's side.
#[derive(Debug)]
pub(super) struct SpanQueue {
    spans: mpsc::Sender<SpanData>,
    flushes: mpsc::Sender<oneshot::Sender<()>>,
    dropped: Arc<AtomicU64>,
}

impl SpanQueue {
    /// Starts the task. It ends with the last sender.
    pub(super) fn start(exporter: SpanExporter, settings: &Settings) -> Self {
        let (spans, ended) = mpsc::channel(CAPACITY);
        let (flushes, asked) = mpsc::channel(1);
        let dropped = Arc::<AtomicU64>::default();
        let sender = Sender { exporter, ended, asked, delay: settings.delay, dropped: Arc::clone(&dropped) };
        tokio::spawn(sender.run());
        Self { spans, flushes, dropped }
    }

    /// What puts spans into the queue.
    pub(super) fn processor(&self) -> impl SpanProcessor + use<> {
        Enqueue { spans: self.spans.clone(), dropped: Arc::clone(&self.dropped) }
    }

    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Waits until what is in the queue now was sent or dropped.
    pub(super) async fn flush(&self) {
        let (tell, told) = oneshot::channel();
        if self.flushes.send(tell).await.is_ok() {
            let _ = told.await;
        }
    }
}

#[derive(Debug)]
struct Enqueue {
    spans: mpsc::Sender<SpanData>,
    dropped: Arc<AtomicU64>,
}

impl SpanProcessor for Enqueue {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        if span.span_context.is_sampled() && self.spans.try_send(span).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }

    fn set_resource(&mut self, _: &Resource) {}
}

/// The task's side.
struct Sender {
    exporter: SpanExporter,
    ended: mpsc::Receiver<SpanData>,
    asked: mpsc::Receiver<oneshot::Sender<()>>,
    delay: Duration,
    dropped: Arc<AtomicU64>,
}

impl Sender {
    async fn run(mut self) {
        let mut batch = Vec::new();
        loop {
            let flushed = tokio::select! {
                taken = self.ended.recv_many(&mut batch, BATCH) => {
                    if taken == 0 {
                        return;
                    }
                    self.gather(&mut batch).await
                }
                Some(flushed) = self.asked.recv() => Some(flushed),
            };
            self.send(std::mem::take(&mut batch)).await;
            if let Some(flushed) = flushed {
                while !self.ended.is_empty() {
                    self.ended.recv_many(&mut batch, BATCH).await;
                    self.send(std::mem::take(&mut batch)).await;
                }
                let _ = flushed.send(());
            }
        }
    }

    /// Waits for more spans until the batch is full, the delay is over, or a flush is asked for.
    async fn gather(&mut self, batch: &mut Vec<SpanData>) -> Option<oneshot::Sender<()>> {
        let delay = tokio::time::sleep(self.delay);
        tokio::pin!(delay);
        while batch.len() < BATCH {
            let room = BATCH - batch.len();
            tokio::select! {
                () = &mut delay => return None,
                Some(flushed) = self.asked.recv() => return Some(flushed),
                taken = self.ended.recv_many(batch, room) => if taken == 0 { return None },
            }
        }
        None
    }

    async fn send(&self, batch: Vec<SpanData>) {
        let spans = batch.len() as u64;
        if spans == 0 {
            return;
        }
        if let Err(error) = self.exporter.export(batch).await {
            self.dropped.fetch_add(spans, Ordering::Relaxed);
            tracing::warn!(%error, spans, "spans were dropped, because the collector did not take them");
        }
    }
}
