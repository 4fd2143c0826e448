//! The definition of a hub: its methods and hooks.

use crate::calls::method::{Hook, MethodTable};
use crate::request::Requests;
use crate::subscription_manager::SubscriptionMethods;

/// The methods and hooks of a hub, made by [`HubBuilder`](crate::HubBuilder) and shared by its sessions.
pub(crate) struct HubDefinition {
    pub(crate) methods: MethodTable,
    pub(crate) on_connected: Option<Hook>,
    pub(crate) on_disconnected: Option<Hook>,
    pub(crate) requests: Requests,
    /// `Some` on a hub with [events](crate::HubBuilder::events).
    pub(crate) subscriptions: Option<SubscriptionMethods>,
}
