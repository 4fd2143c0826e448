//! The broker: events, filters, scopes, the subscription index, and the tasks that match one with the other.
//!
//! An [`Event`] is published to a [`Broker`], gets a [`Position`] among the events of its name, and is offered to every
//! [`Subscriber`] that has a matching [`Filter`] and whose [`Scope`] allows it, in the order of publishing.
//!
//! This crate deliberately depends on no wire: no HTTP, no WebSocket, no SignalR, no dialect. Payloads and senders are JSON bytes that it
//! never reads. A program that attaches subscribers can [check payloads](Broker::check_payloads) before they are published. A
//! subscriber renders what it sends to its client, with the help of [`Delivery::encoded`].
//!
//! ```
//! use signalhub_events::*;
//! use std::sync::Arc;
//! use tokio::sync::mpsc;
//!
//! struct Printer(mpsc::Sender<String>);
//! impl Subscriber for Printer {
//!     fn offer(&self, delivery: &Delivery) -> Offered {
//!         let text = String::from_utf8_lossy(&delivery.event().payload).into_owned();
//!         self.0.try_send(text).map_or(Offered::Refused, |()| Offered::Accepted)
//!     }
//! }
//!
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! let broker = Broker::builder(Catalogue::new().with_event(EventName::new("shop.resources.changed"), Resources::With)).build();
//! let (printer, mut printed) = mpsc::channel(8);
//! let mut subscriptions = broker.attach(Arc::new(Printer(printer)), Scope::unrestricted());
//! let tickets = Filter::new(EventName::new("shop.resources.changed")).with_resource(ResourceName::new("tickets"));
//! subscriptions.add(&tickets)?;
//!
//! let event = Event::new(EventName::new("shop.resources.changed"), r#"{"n":"tickets","a":1}"#)
//!     .with_resource(ResourceName::new("tickets"))
//!     .with_action(Action::Created);
//! let receipt = broker.publish(event).await?;
//! assert_eq!((receipt.matched, receipt.position.offset()), (1, 1));
//! assert_eq!(printed.recv().await.as_deref(), Some(r#"{"n":"tickets","a":1}"#));
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```

mod action;
mod attached_client;
mod broker;
mod catalogue;
mod delivery;
mod event;
mod explain;
mod filter;
mod gap;
mod idempotency;
mod index;
mod log;
mod name;
mod position;
mod replay;
mod resources;
mod scope;
mod shards;
mod subscribe_error;
mod subscriber;
mod subscriptions;
mod top_subscriptions;
mod trace_parent;
mod tracking;

pub use action::Action;
pub use attached_client::AttachedClient;
pub use broker::{
    Broker, BrokerBuilder, FanOutSpan, FanOutTracer, LatestEvent, LatestExtent, MatchedClients, MissedCounts,
    PayloadCheck, Progress, PublishError, PublishOptions, Published, Receipt, Repeat, Tail, TailFilter, Tailed,
    TailedEvent, Tracked,
};
pub use catalogue::{Catalogue, CatalogueError, UnknownEvents};
pub use delivery::{Audience, Deliveries, Delivery, EncodingKey, Joined};
pub use event::{Event, EventId, EventIdError};
pub use explain::{Explained, ExplainedStep, StepOutcome, explain_event, explain_subscriber};
pub use filter::Filter;
pub use gap::{Gap, GapReason};
pub use idempotency::{Fingerprint, Idempotency, IdempotencyCounts, IdempotencyKey, IdempotencyLimits, StoredPublish};
pub use index::Added;
pub use log::{
    Append, Arrival, Arrived, Bounds, BrokerClosed, ClusterMatches, ClusterPublished, Declared, Durability, Durations,
    History, HistoryCounts, HistoryLimits, Log, LogCounts, LogFuture, LogUnavailable, Missed, NameLimits, Opened, Page,
    Reach, ReadRange, Reset, SharedEvents, SharedLog, SharedPublish, SharedPublishError, SharedPublished, TrackedWait,
    Untold,
};
pub use name::{EventName, LONGEST_NAME, NameError, Organisation, ResourceName};
pub use position::{Epoch, Position, PositionError};
pub use replay::{GoLive, Replay, ReplayLimits, Since, Step};
pub use resources::Resources;
pub use scope::{Grant, Grants, Pattern, PatternError, Scope};
pub use signalhub_counters::Observed;
pub use subscribe_error::SubscribeError;
pub use subscriber::{ClientName, Flushed, Flushing, Offered, Subscriber, Told};
pub use subscriptions::Subscriptions;
pub use top_subscriptions::{CountedBy, SubscriptionCount};
pub use trace_parent::{Sampled, SpanId, TraceId, TraceParent};
pub use tracking::{DeliveredCounts, Tracking};
