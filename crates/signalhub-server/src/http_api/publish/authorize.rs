//! Authorises publishers by API key, bearer token or client certificate.

use std::sync::Arc;
use std::time::SystemTime;

use http::request::Parts;
use serde_json::Value;
use signalhub::Identity;
use signalhub::connections::{ClientCertificate, GuessLimit, Issuers, Revocations, authorization_token};
use signalhub::events::{CatalogueError, EventName, Grants, Pattern};
use tracing::Span;

use super::api_clients::{ApiClient, ApiClients, KeyHolder};
use super::rate::Who;
use super::reader::{Reader, View};
use crate::configuration::{KeyDigest, Publish, RateLimit, SHORTEST_KEY};
use crate::http_api::counts::ClientCounters;
use crate::http_api::problem::{Problem, ProblemCode};

/// The header of an API key.
const API_KEY: &str = "x-api-key";

/// The claim that holds the patterns of the events that a token may publish.
pub(crate) const CLAIM: &str = "publish";

/// What this claim must be.
pub(crate) const CLAIM_EXPECTED: &str = "a list of event names, which may end with *";

/// Checks API keys and bearer tokens.
#[derive(Debug)]
pub(crate) struct Authorizer {
    clients: ApiClients,
    tokens: Arc<Issuers>,
    organisation: OrganisationRule,
    /// The grants of tokens that have no `grants` claim.
    default_grants: Grants,
    guesses: Option<GuessLimit>,
    revocations: Option<Revocations>,
}

/// Whether a token without an organisation may publish. If so, it may publish for every organisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OrganisationRule {
    Optional,
    Required,
}

/// Whose credentials came with a request.
enum Verified {
    /// Those of a client without a name.
    Key(KeyDigest),
    Client(Arc<ApiClient>),
    Token(Identity),
}

/// An authorised publisher.
#[derive(Debug)]
pub(crate) struct Publisher {
    /// The publisher whose rate limit applies.
    pub(super) who: Who,
    rights: Rights,
}

#[derive(Debug)]
enum Rights {
    /// An operator may publish everything, and is always the system.
    System,
    /// The holder of a key of `publish.keys` may publish everything.
    Everything,
    /// A client of `publish.clients` may publish what is configured for it.
    Client(Arc<ApiClient>),
    /// The holder of a token may publish what its claim lists, within its organisation.
    Claimed { events: Vec<Pattern>, organisation: Option<String> },
}

impl Authorizer {
    pub(crate) fn new(settings: &Publish, tokens: Arc<Issuers>, organisation: OrganisationRule) -> Self {
        let clients = ApiClients::new(&settings.keys, &settings.clients);
        Self { clients, tokens, organisation, default_grants: Grants::All, guesses: None, revocations: None }
    }

    /// What clients with a name have published.
    pub(crate) fn client_counters(&self) -> Arc<ClientCounters> {
        self.clients.counters()
    }

    /// Limits how many wrong credentials an address may send.
    pub(crate) fn limited(self, guesses: Option<GuessLimit>) -> Self {
        Self { guesses, ..self }
    }

    /// Sets what tokens without a `grants` claim may read; by default everything that their organisation permits.
    pub(crate) fn default_grants(self, grants: Grants) -> Self {
        Self { default_grants: grants, ..self }
    }

    /// Refuses tokens that are revoked.
    pub(crate) fn refusing(self, revocations: Revocations) -> Self {
        Self { revocations: Some(revocations), ..self }
    }

    /// Identifies the publisher of a request, and refuses one that may publish nothing at all.
    /// It waits only for the key of a token that is fetched from its issuer.
    pub(crate) async fn identify(&self, head: &Parts) -> Result<Publisher, Problem> {
        match self.verify(head).await? {
            Verified::Key(key) => Ok(Publisher { who: Who::Key(key), rights: Rights::Everything }),
            Verified::Client(client) => Ok(Publisher::of_client(client)),
            Verified::Token(identity) => Publisher::of_token(&identity, self.organisation),
        }
    }

    /// Identifies who asks for the history. What a token permits to see, it permits to read; a claim `publish` is not needed.
    pub(crate) async fn identify_reader(&self, head: &Parts) -> Result<Reader, Problem> {
        match self.verify(head).await? {
            Verified::Key(key) => Ok(Reader { who: Who::Key(key), view: View::Everything }),
            Verified::Client(client) => {
                Ok(Reader { who: Who::Client(client.name.clone()), view: View::Client(client) })
            }
            Verified::Token(identity) => Reader::of_token(&identity, &self.default_grants),
        }
    }

    /// Finds out whose request this is.
    async fn verify(&self, head: &Parts) -> Result<Verified, Problem> {
        let refused = |detail: &str| Err(Problem::new(ProblemCode::Unauthenticated, detail));
        let certificate = valid_certificate(head);
        let mut keys = head.headers.get_all(API_KEY).iter();
        if let Some(key) = keys.next() {
            // A proxy may have checked the other one.
            if keys.next().is_some() {
                return refused("there is more than one header X-API-Key");
            }
            // For the holder of a key without its certificate, the key is unknown.
            let holder = self.clients.holder(key.as_bytes()).filter(|holder| holder.fits(certificate));
            // A short key can be guessed: an address that sent too many wrong ones is refused even with the right one, so that guessing
            // stays slow. A long key cannot be guessed, so its holder is not refused because of others behind the same address.
            if holder.is_none() || key.len() < SHORTEST_KEY {
                self.guesses.as_ref().map_or(Ok(()), |limit| limit.check(head)).map_err(Problem::too_many_failures)?;
            }
            return match holder {
                Some(KeyHolder::Unnamed(key)) => Ok(Verified::Key(*key)),
                Some(KeyHolder::Named(client)) => Verified::of_client(client, "the API key"),
                None => Err(self.wrong(head, "the API key is not known")),
            };
        }
        // A token in the query is for browsers' WebSockets only: queries end up in the logs of proxies.
        let Some(token) = authorization_token(head) else {
            return match certificate.map(|certificate| self.clients.certified(certificate, SystemTime::now())) {
                None => refused("expected the header X-API-Key, or Authorization with a bearer token"),
                Some(None) => refused("the client certificate is of no API client"),
                Some(Some(client)) => Verified::of_client(client, "the entry of the client certificate"),
            };
        };
        match self.tokens.verify_when_ready(token).await {
            Ok(identity) if self.revocations.as_ref().is_some_and(|revoked| revoked.is_revoked(&identity)) => {
                refused("the token has been revoked")
            }
            Ok(identity) => Ok(Verified::Token(identity)),
            Err(error) if error.is_genuine() => refused(&error.to_string()),
            Err(error) => {
                // The answer tells the sender nothing about the issuers and their keys.
                tracing::debug!(%error, "a bearer token was refused");
                let detail = "the bearer token is not valid";
                if error.is_guess() { Err(self.wrong(head, detail)) } else { refused(detail) }
            }
        }
    }

    /// Counts wrong credentials, and refuses them.
    fn wrong(&self, head: &Parts, detail: &str) -> Problem {
        Problem::wrong_credentials(self.guesses.as_ref(), head, ProblemCode::Unauthenticated, detail)
    }
}

/// The client's certificate. One that was valid in the handshake may have expired while its connection stayed open.
fn valid_certificate(head: &Parts) -> Option<&ClientCertificate> {
    let certificate = head.extensions.get::<ClientCertificate>()?;
    let is_valid = SystemTime::now() <= certificate.not_after();
    if !is_valid {
        tracing::debug!("the client certificate of an open connection has expired");
    }
    is_valid.then_some(certificate)
}

/// Tells whether a token may have such a `publish` claim.
pub(crate) fn is_publish_claim(claim: &Value) -> bool {
    patterns(claim).is_some()
}

fn patterns(claim: &Value) -> Option<Vec<Pattern>> {
    claim.as_array()?.iter().map(|pattern| pattern.as_str()?.parse().ok()).collect()
}

impl Verified {
    /// A client that was found by what is named, unless that has expired.
    fn of_client(client: &Arc<ApiClient>, found_by: &str) -> Result<Self, Problem> {
        if client.has_expired(SystemTime::now()) {
            tracing::debug!(publisher = %client.name.as_str(), "an API client whose access has expired was refused");
            return Err(Problem::new(ProblemCode::Unauthenticated, format!("{found_by} has expired")));
        }
        Ok(Self::Client(Arc::clone(client)))
    }
}

impl Publisher {
    /// An operator.
    pub(super) fn system() -> Self {
        Self { who: Who::Operator, rights: Rights::System }
    }

    /// Tells whether the system is the sender of what it publishes, also if the body names one.
    pub(super) fn is_system(&self) -> bool {
        matches!(self.rights, Rights::System)
    }

    fn of_client(client: Arc<ApiClient>) -> Self {
        Self { who: Who::Client(client.name.clone()), rights: Rights::Client(client) }
    }

    fn of_token(identity: &Identity, organisation: OrganisationRule) -> Result<Self, Problem> {
        let forbidden = |detail: &str| Problem::new(ProblemCode::Forbidden, detail);
        let wrong = || forbidden(&format!("the claim \"publish\" of the token must be {CLAIM_EXPECTED}"));
        let claim = identity.claims.get::<Value>(CLAIM).map_err(|_| wrong())?;
        let claim = claim.ok_or_else(|| forbidden("the token has no claim \"publish\""))?;
        let events = patterns(&claim).ok_or_else(wrong)?;
        if organisation == OrganisationRule::Required && identity.organisation.is_none() {
            return Err(forbidden("the token has no organisation: auth.publish_requires_organisation asks for one"));
        }
        let rights = Rights::Claimed { events, organisation: identity.organisation.as_deref().map(str::to_owned) };
        Ok(Self { who: Who::of_token(identity), rights })
    }

    /// Makes the problem of an unknown event, which `place` has. It names only events that this publisher may publish.
    pub(in crate::http_api) fn unknown_event(&self, place: &str, error: CatalogueError) -> Problem {
        let may_know = |event: &EventName| match &self.rights {
            Rights::Everything | Rights::System => true,
            Rights::Client(client) => client.may_publish(event.as_str()),
            Rights::Claimed { events, .. } => events.iter().any(|pattern| pattern.matches(event.as_str())),
        };
        Problem::new(ProblemCode::UnknownEvent, format!("{place}: {}", error.naming_only(may_know)))
    }

    /// Checks that this publisher may publish the event for the organisation.
    pub(crate) fn check(&self, event: &str, organisation: Option<&str>) -> Result<(), Problem> {
        match &self.rights {
            Rights::Everything | Rights::System => Ok(()),
            Rights::Client(client) => check_client(client, event, organisation),
            Rights::Claimed { events, organisation: own } => check_claim(events, own.as_deref(), event, organisation),
        }
    }

    /// Its own rate; `None` for the common one.
    pub(super) fn rate(&self) -> Option<RateLimit> {
        self.client()?.rate
    }

    /// The span of the log lines about what it publishes, with its name if it has one.
    pub(super) fn span(&self) -> Span {
        self.client()
            .map_or_else(Span::none, |client| tracing::info_span!("publish", publisher = %client.name.as_str()))
    }

    /// Counts a notification that was published.
    pub(super) fn count_published(&self) {
        self.client().into_iter().for_each(ApiClient::count_published);
    }

    fn client(&self) -> Option<&ApiClient> {
        match &self.rights {
            Rights::Client(client) => Some(client),
            Rights::Everything | Rights::System | Rights::Claimed { .. } => None,
        }
    }
}

fn check_client(client: &ApiClient, event: &str, organisation: Option<&str>) -> Result<(), Problem> {
    let forbidden = |detail: String| Err(Problem::new(ProblemCode::Forbidden, detail));
    if !client.may_publish(event) {
        return forbidden(format!("the API client may not publish the event \"{event}\""));
    }
    if !client.may_publish_for(organisation) {
        return forbidden("org: expected one of the organisations that the API client may publish for".to_owned());
    }
    Ok(())
}

fn check_claim(events: &[Pattern], own: Option<&str>, event: &str, organisation: Option<&str>) -> Result<(), Problem> {
    if !events.iter().any(|pattern| pattern.matches(event)) {
        let detail = format!("the claim \"publish\" of the token does not cover the event \"{event}\"");
        return Err(Problem::new(ProblemCode::Forbidden, detail));
    }
    // A token of an organisation publishes for that organisation only, so the body has to name it.
    match own {
        Some(own) if organisation != Some(own) => {
            let detail = format!("org: the token may publish for its own organisation only: expected \"{own}\"");
            Err(Problem::new(ProblemCode::Forbidden, detail))
        }
        _ => Ok(()),
    }
}
