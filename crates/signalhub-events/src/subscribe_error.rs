//! Why a filter is refused.

use crate::catalogue::CatalogueError;
use crate::filter::Filter;
use crate::name::NameError;

/// Tells why a filter was not added.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SubscribeError {
    /// The event does not exist, or has no resources.
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
    /// A name is too long.
    #[error(transparent)]
    Name(#[from] NameError),
    /// No grant overlaps the filter.
    #[error("{}", missing_grant(.0))]
    NotGranted(Filter),
    /// The subscriber has refused a delivery, which ended its subscriptions.
    #[error("the subscriber has refused a delivery and takes no more")]
    Ended,
}

fn missing_grant(filter: &Filter) -> String {
    let resource = filter.resource.as_ref().map(|resource| format!(", resource \"{resource}\"")).unwrap_or_default();
    let action = filter.action.map(|action| format!(", action \"{action}\"")).unwrap_or_default();
    format!("missing grant for event \"{}\"{resource}{action}", filter.event)
}
