//! The handshake of a socket, which needs a session.

use std::sync::Arc;

use signalhub_connections::{Authenticate, Authentication, Identity, RequestHead};

use super::event_text::EventText;
use super::sessions::Session;
use super::state::{SessionOf, State};
use super::version::Version;

/// What the handshake of a socket has found out: its session, and how its events are written.
pub(super) struct Opening {
    pub(super) session: Arc<Session>,
    pub(super) text: Arc<EventText>,
}

/// Admits sockets of one version with a session.
pub(super) struct SessionRequired {
    pub(super) state: Arc<State>,
    pub(super) version: Version,
}

impl Authenticate for SessionRequired {
    fn authenticate(&self, request: &RequestHead) -> Authentication {
        let session = match self.state.session(request) {
            SessionOf::Found(session, _) => session,
            SessionOf::Unknown => return Authentication::Expired,
            SessionOf::Missing => return Authentication::Missing,
        };
        let account = session.account();
        let identity = Identity::user(Arc::clone(&account.name));
        let identity = match &account.organisation {
            Some(organisation) => identity.with_organisation(Arc::clone(organisation)),
            None => identity,
        };
        let url = self.state.url(request, &self.version);
        let text = self.state.texts.get(self.version.event_form(), &url);
        Authentication::Identified(identity.with_attachment(Arc::new(Opening { session, text })))
    }
}
