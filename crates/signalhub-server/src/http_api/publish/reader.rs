//! Who may read which events of the history.

use std::sync::Arc;

use portos_notifications::{GRANTS_CLAIM, GrantClaim, broker};
use signalhub::Identity;
use signalhub::events::{
    Catalogue, CatalogueError, Event, EventName, Filter, Grants, Organisation, Scope, SubscribeError,
};
use tracing::Span;

use super::api_clients::ApiClient;
use super::rate::Who;
use crate::configuration::RateLimit;
use crate::http_api::problem::{Problem, ProblemCode};

/// Who asks for the history.
#[derive(Debug)]
pub(crate) struct Reader {
    /// Whose rate limit applies: publishing and reading share it.
    pub(super) who: Who,
    pub(super) view: View,
}

/// Which events a reader of the history may read.
#[derive(Debug)]
pub(super) enum View {
    /// A key of `publish.keys` reads everything.
    Everything,
    /// A client of `publish.clients` reads what it may publish.
    Client(Arc<ApiClient>),
    /// A token reads what its bearer would get as a subscriber.
    Subscriber(Scope),
}

impl Reader {
    /// The reader with this token.
    pub(super) fn of_token(identity: &Identity, default_grants: &Grants) -> Result<Self, Problem> {
        let grants = grants(identity)
            .ok_or_else(|| Problem::new(ProblemCode::Forbidden, "the claim \"grants\" of the token cannot be read"))?;
        let organisation = identity.organisation.clone().map(Organisation::new);
        let scope = Scope::new(organisation, grants.unwrap_or_else(|| default_grants.clone()));
        Ok(Self { who: Who::of_token(identity), view: View::Subscriber(scope) })
    }

    /// The span of the log lines about what it reads, with its name if it has one.
    pub(crate) fn span(&self) -> Span {
        match &self.view {
            View::Client(client) => tracing::info_span!("history", publisher = %client.name.as_str()),
            View::Everything | View::Subscriber(_) => Span::none(),
        }
    }

    /// Its own rate; `None` for the common one.
    pub(super) fn rate(&self) -> Option<RateLimit> {
        match &self.view {
            View::Client(client) => client.rate,
            View::Everything | View::Subscriber(_) => None,
        }
    }

    /// Checks that it may ask for these events. Problems name only events that it may read.
    pub(crate) fn check(&self, filter: &Filter, catalogue: &Catalogue) -> Result<(), Problem> {
        let unknown = |error: CatalogueError| Problem::new(ProblemCode::UnknownEvent, format!("event: {error}"));
        let event = &filter.event;
        match &self.view {
            View::Everything => catalogue.check(event, filter.resources()).map_err(unknown),
            View::Client(client) if !client.may_publish(event.as_str()) => {
                let detail = format!("the API client may not read the event \"{event}\"");
                Err(Problem::new(ProblemCode::Forbidden, detail))
            }
            View::Client(client) => {
                let may_know = |event: &EventName| client.may_publish(event.as_str());
                catalogue.check(event, filter.resources()).map_err(|error| unknown(error.naming_only(may_know)))
            }
            View::Subscriber(scope) => scope.check(filter, catalogue).map_err(|error| match error {
                SubscribeError::Catalogue(error) => unknown(error),
                error => Problem::new(ProblemCode::Forbidden, error.to_string()),
            }),
        }
    }

    /// Tells whether it may read an event.
    pub(crate) fn may_read(&self, event: &Event) -> bool {
        match &self.view {
            View::Everything => true,
            View::Client(client) => {
                client.may_publish(event.name.as_str())
                    && client.may_publish_for(event.organisation.as_ref().map(Organisation::as_str))
            }
            View::Subscriber(scope) => scope.allows(event),
        }
    }
}

/// The grants of a token: `None` if they cannot be read, `Some(None)` if it has no such claim.
fn grants(identity: &Identity) -> Option<Option<Grants>> {
    let Some(claims) = identity.claims.get::<Vec<GrantClaim>>(GRANTS_CLAIM).ok()? else { return Some(None) };
    let grants: Result<Vec<_>, _> = claims.iter().map(broker::grant).collect();
    Some(Some(Grants::Only(grants.ok()?)))
}
