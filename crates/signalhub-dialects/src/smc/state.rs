//! What the sockets and the REST routes share.

use std::sync::Arc;

use signalhub_connections::{GuessLimit, OpeningRequest, Rate, RequestHead, base_url};
use signalhub_events::Broker;

use super::accounts::Accounts;
use super::bodies::Bodies;
use super::element::ElementTypes;
use super::event_text::EventTexts;
use super::sessions::{Session, Sessions};
use super::settings::SessionTracking;
use super::version::Version;

/// The subprotocol that clients without cookies offer, beside their token.
pub(super) const SUBPROTOCOL: &str = "access_token";

/// The name of the cookie with the token of a session.
pub(super) const COOKIE: &str = "JSESSIONID";

/// What the server holds for all clients.
pub(super) struct State {
    pub(super) broker: Broker,
    /// In ascending order.
    pub(super) versions: Vec<Version>,
    pub(super) element_types: ElementTypes,
    pub(super) accounts: Accounts,
    pub(super) sessions: Sessions,
    pub(super) tracking: SessionTracking,
    pub(super) bodies: Arc<Bodies>,
    pub(super) texts: EventTexts,
    pub(super) public_url: Option<Box<str>>,
    pub(super) guesses: Option<GuessLimit>,
    pub(super) contexts_per_connection: usize,
    pub(super) command_rate: Option<Rate>,
}

impl State {
    /// The URL of a version, as the client of a request sees it, for links.
    pub(super) fn url(&self, request: &RequestHead, version: &Version) -> String {
        match &self.public_url {
            Some(url) => format!("{url}/{version}"),
            None => format!("{}/{version}", base_url(request).as_deref().unwrap_or("http://localhost")),
        }
    }

    /// The session of a request, with its token: of the cookie, of `Authorization`, or of what stands beside `access_token` among the
    /// subprotocols of a WebSocket (the client's token mode).
    pub(super) fn session(&self, request: &RequestHead) -> SessionOf {
        let copied = OpeningRequest::new(request);
        let offered = copied.headers().filter(|(name, _)| *name == "sec-websocket-protocol");
        let offered = offered.filter_map(|(_, value)| std::str::from_utf8(value).ok());
        let offered = offered.flat_map(|value| value.split(',')).map(str::trim).filter(|offer| *offer != SUBPROTOCOL);
        let tokens = copied.cookie(COOKIE).into_iter().chain(copied.header("authorization")).chain(offered);
        let mut outcome = SessionOf::Missing;
        for token in tokens {
            outcome = match self.sessions.find(token) {
                Some(session) => return SessionOf::Found(session, token.to_owned()),
                None => SessionOf::Unknown,
            };
        }
        outcome
    }
}

/// What a request says about its session.
pub(super) enum SessionOf {
    Found(Arc<Session>, String),
    /// It has a token that belongs to no session. Tokens cannot be guessed, so it is one of a session that has ended.
    Unknown,
    Missing,
}
