//! Forcepoint SMC: notifications about changed elements for API clients that log in.
//!
//! A client logs in over REST, with an API key or a password, gets a session, and opens a WebSocket with it. There it asks for
//! contexts, such as `host, router`; each becomes a subscription with a number of its own, which stands in its events.
//!
//! The behaviour follows the vendor's SMC API guide, and where the guide is silent what the vendor's Python client
//! `fp-ngfw-smc-python` expects.

mod accounts;
mod bodies;
mod change;
mod command;
mod element;
mod event_text;
mod opening;
mod routes;
mod selection;
mod sessions;
mod settings;
mod socket;
mod state;
mod version;

use std::fmt;
use std::sync::Arc;

use signalhub_connections::{Endpoint, GuessLimit, Server};
use signalhub_events::{Broker, Catalogue, EventName, Resources};

pub use self::accounts::{Account, Credentials, KeyDigest, PasswordHash, PasswordHashError};
pub use self::change::ELEMENTS_CHANGED;
pub use self::element::{ElementType, ElementTypeError};
pub use self::sessions::SessionLimits;
pub use self::settings::{SessionTracking, Settings};
pub use self::version::{Version, VersionError};

use self::accounts::Accounts;
use self::bodies::Bodies;
use self::element::ElementTypes;
use self::event_text::EventTexts;
use self::opening::SessionRequired;
use self::routes::Routes;
use self::sessions::Sessions;
use self::socket::NotificationSockets;
use self::state::{SUBPROTOCOL, State};

/// The dialect. Clones share all of it.
#[derive(Clone)]
pub struct Smc {
    state: Arc<State>,
}

impl Smc {
    /// Declares the event of the dialect in a catalogue.
    #[must_use]
    pub fn declare(catalogue: Catalogue, element_types: &[ElementType]) -> Catalogue {
        let (name, types) = (EventName::new(ELEMENTS_CHANGED), ElementTypes::new(element_types.iter().cloned()));
        catalogue
            .with_event(name.clone(), Resources::With)
            .with_check(name, move |event| change::check(event, |known| types.get(known).is_some()))
    }

    /// Creates the dialect over a broker whose catalogue [has its event](Self::declare). It keeps the bodies of elements from now on.
    pub fn new(broker: Broker, settings: Settings, guesses: Option<GuessLimit>) -> Self {
        let mut versions = settings.versions;
        versions.sort();
        versions.dedup();
        let bodies = Arc::new(Bodies::new(settings.body_bytes));
        let keeper = Arc::clone(&bodies);
        broker.observe(EventName::new(ELEMENTS_CHANGED), move |event| keeper.observe(event));
        let state = State {
            broker,
            versions,
            element_types: ElementTypes::new(settings.element_types),
            accounts: Accounts::new(settings.accounts),
            sessions: Sessions::new(settings.session_limits, settings.session_idle_time),
            tracking: settings.session_tracking,
            bodies,
            texts: EventTexts::default(),
            public_url: settings.public_url.map(String::into_boxed_str),
            guesses,
            contexts_per_connection: settings.contexts_per_connection,
            command_rate: settings.command_rate,
        };
        Self { state: Arc::new(state) }
    }

    /// Adds the routes and the sockets of all versions to a server. `configure` sets the limits of the sockets.
    #[must_use]
    pub fn mount(&self, server: Server, configure: impl Fn(Endpoint) -> Endpoint) -> Server {
        let mount = |server: Server, version: &Version| {
            let required = SessionRequired { state: Arc::clone(&self.state), version: version.clone() };
            let endpoint = configure(Endpoint::new(NotificationSockets {
                state: Arc::clone(&self.state),
                counts: server.connections(),
            }))
            .authenticate(required)
            .subprotocol(SUBPROTOCOL)
            .upgrades_only()
            // The vendor's client waits on the raw socket while messages of the same TLS record wait in its TLS library.
            .separate_messages();
            server.endpoint(&format!("/{version}/notification/socket"), endpoint)
        };
        let server = self.state.versions.iter().fold(server, mount);
        let routes = Routes { state: Arc::clone(&self.state), counts: server.connections() };
        server.otherwise(routes)
    }

    /// Counts the sessions. Some may have idled out.
    pub fn session_count(&self) -> usize {
        self.state.sessions.len()
    }
}

impl fmt::Debug for Smc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Smc").field("versions", &self.state.versions).finish_non_exhaustive()
    }
}
