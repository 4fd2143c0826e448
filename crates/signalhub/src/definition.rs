//! What a hub does.

use crate::calls::method::{Hook, MethodTable};
use crate::request::Requests;
use crate::subscription_manager::SubscriptionMethods;

/// The methods of a hub, and what it runs when clients connect and disconnect.
pub(crate) struct HubDefinition {
    pub(crate) methods: MethodTable,
    pub(crate) on_connected: Option<Hook>,
    pub(crate) on_disconnected: Option<Hook>,
    pub(crate) requests: Requests,
    /// On a hub with [events](crate::HubBuilder::events).
    pub(crate) subscriptions: Option<SubscriptionMethods>,
}
