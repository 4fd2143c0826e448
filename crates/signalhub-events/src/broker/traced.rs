//! Traced fan-outs: when the first and the last subscriber of an event were offered it, for events whose trace is sampled.

use std::fmt::Debug;
use std::sync::Arc;

use crate::event::Event;
use crate::position::Position;
use crate::trace_parent::Sampled;

/// Records the fan-outs of events whose [trace](Event::trace) is sampled, one span for each event.
///
/// It is called by the tasks that deliver events, so it must neither wait nor take long.
pub trait FanOutTracer: Debug + Send + Sync {
    /// Begins the span of an event that was published and is about to be offered to the subscribers that it matched.
    fn begin(&self, event: &Event, position: Position, matched: usize) -> Box<dyn FanOutSpan>;
}

/// The span of a fan-out. It ends when it is dropped.
pub trait FanOutSpan: Send {
    /// Notes that the first subscriber was offered the event.
    fn first_write(&mut self);

    /// Notes that the last subscriber was offered the event.
    fn last_write(&mut self);
}

/// The events of a batch that are traced. Most batches have none, and then each subscriber costs one comparison.
pub(super) struct TracedFanOuts {
    tracer: Option<Arc<dyn FanOutTracer>>,
    /// The bits of the traced events that some subscribers have not been offered.
    events: u64,
    spans: Vec<TracedFanOut>,
}

struct TracedFanOut {
    /// The bit of the event in its batch.
    event: u64,
    /// How many subscribers have not been offered it.
    left: usize,
    is_begun: bool,
    span: Box<dyn FanOutSpan>,
}

impl TracedFanOuts {
    pub(super) fn new(tracer: Option<Arc<dyn FanOutTracer>>) -> Self {
        Self { tracer, events: 0, spans: Vec::new() }
    }

    /// Adds an event, if it is to be traced. `bit` stands for it in its batch.
    pub(super) fn admit(&mut self, bit: u64, event: &Event, position: Position, matched: usize) {
        let is_sampled = event.trace.is_some_and(|trace| trace.sampled == Sampled::Yes);
        let Some(tracer) = self.tracer.as_ref().filter(|_| is_sampled) else { return };
        let span = tracer.begin(event, position, matched);
        if matched > 0 {
            self.events |= bit;
            self.spans.push(TracedFanOut { event: bit, left: matched, is_begun: false, span });
        }
    }

    /// Notes that a subscriber was offered these events.
    #[inline]
    pub(super) fn offered(&mut self, events: u64) {
        if self.events & events != 0 {
            self.note(events);
        }
    }

    #[cold]
    fn note(&mut self, events: u64) {
        for traced in self.spans.iter_mut().filter(|traced| traced.event & events != 0) {
            if !std::mem::replace(&mut traced.is_begun, true) {
                traced.span.first_write();
            }
            traced.left = traced.left.saturating_sub(1);
            if traced.left == 0 {
                traced.span.last_write();
                self.events &= !traced.event;
            }
        }
        self.spans.retain(|traced| traced.left > 0);
    }

    /// Forgets the events of a batch that has ended.
    pub(super) fn clear(&mut self) {
        self.events = 0;
        self.spans.clear();
    }
}
