//! What the admin API shows and acts on.

use std::sync::Arc;

use signalhub::Hub;
use signalhub::connections::Revocations;
use signalhub::events::Broker;
use signalhub_dialects::printfactory::MisKeys;

use crate::configuration::Configuration;
use crate::http_api::counts::Counts;
use crate::http_api::publish::PublishApi;
use crate::lifecycle::{Lifecycle, ReloadRequest};

/// The parts of a node that the admin API shows and acts on.
#[derive(Debug)]
#[allow(dead_code, reason = "routes that use all parts follow")]
pub(crate) struct Operated {
    pub(crate) configuration: Arc<Configuration>,
    pub(crate) lifecycle: Lifecycle,
    pub(crate) counts: Counts,
    pub(crate) hub: Hub,
    pub(crate) broker: Broker,
    pub(crate) publish: Arc<PublishApi>,
    pub(crate) revocations: Revocations,
    pub(crate) reload: ReloadRequest,
    /// The keys of PrintFactory, if the dialect is on.
    pub(crate) mis_keys: Option<MisKeys>,
}
