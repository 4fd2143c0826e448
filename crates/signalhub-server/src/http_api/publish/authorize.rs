//! Authorises publishers by API key or bearer token.

use std::hint::black_box;
use std::sync::Arc;

use http::request::Parts;
use serde_json::Value;
use signalhub::Identity;
use signalhub::connections::{GuessLimit, Issuers, authorization_token};
use signalhub::events::{CatalogueError, EventName, Pattern};

use super::rate::Who;
use crate::configuration::{ApiKey, SHORTEST_KEY};
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
    keys: Vec<ApiKey>,
    tokens: Arc<Issuers>,
    organisation: OrganisationRule,
    guesses: Option<GuessLimit>,
}

/// Whether a token without an organisation may publish. If so, it may publish for every organisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OrganisationRule {
    Optional,
    Required,
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
    /// The holder of an API key may publish everything.
    Everything,
    /// The holder of a token may publish what its claim lists, within its organisation.
    Claimed { events: Vec<Pattern>, organisation: Option<String> },
}

impl Authorizer {
    pub(crate) fn new(keys: Vec<ApiKey>, tokens: Arc<Issuers>, organisation: OrganisationRule) -> Self {
        Self { keys, tokens, organisation, guesses: None }
    }

    /// Limits how many wrong credentials an address may send.
    pub(crate) fn limited(self, guesses: Option<GuessLimit>) -> Self {
        Self { guesses, ..self }
    }

    /// Identifies the publisher of a request, and refuses one that may publish nothing at all.
    /// It waits only for the key of a token that is fetched from its issuer.
    pub(crate) async fn identify(&self, head: &Parts) -> Result<Publisher, Problem> {
        let refused = |detail: &str| Err(Problem::new(ProblemCode::Unauthenticated, detail));
        if let Some(key) = head.headers.get(API_KEY) {
            let place = self.place_of(key.as_bytes());
            // A short key can be guessed: an address that sent too many wrong ones is refused even with the right one, so that guessing
            // stays slow. A long key cannot be guessed, so its holder is not refused because of others behind the same address.
            if place.is_none_or(|place| self.keys[place].reveal().len() < SHORTEST_KEY) {
                self.guesses.as_ref().map_or(Ok(()), |limit| limit.check(head)).map_err(Problem::too_many_failures)?;
            }
            return match place {
                Some(place) => Ok(Publisher { who: Who::Key(place), rights: Rights::Everything }),
                None => Err(self.wrong(head, "the API key is not known")),
            };
        }
        // A token in the query is for browsers' WebSockets only: queries end up in the logs of proxies.
        let Some(token) = authorization_token(head) else {
            return refused("expected the header X-API-Key, or Authorization with a bearer token");
        };
        match self.tokens.verify_when_ready(token).await {
            Ok(identity) => Publisher::of_token(&identity, self.organisation),
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
        match self.guesses.as_ref().map(|limit| limit.count(head)) {
            Some(Err(after)) => Problem::too_many_failures(after),
            Some(Ok(())) | None => Problem::new(ProblemCode::Unauthenticated, detail),
        }
    }

    /// Compares with every key, so that the time it takes reveals nothing about any of them.
    fn place_of(&self, given: &[u8]) -> Option<usize> {
        self.keys.iter().enumerate().fold(None, |found, (place, key)| {
            let matches = black_box(same(key.reveal().as_bytes(), given));
            found.or(matches.then_some(place))
        })
    }
}

/// Compares in constant time for a given length.
fn same(key: &[u8], given: &[u8]) -> bool {
    let mut difference = usize::from(key.len() != given.len());
    for (index, byte) in given.iter().enumerate() {
        difference |= black_box(usize::from(byte ^ key.get(index).copied().unwrap_or(0)));
    }
    difference == 0
}

/// Tells whether a token may have such a `publish` claim.
pub(crate) fn is_publish_claim(claim: &Value) -> bool {
    patterns(claim).is_some()
}

fn patterns(claim: &Value) -> Option<Vec<Pattern>> {
    claim.as_array()?.iter().map(|pattern| pattern.as_str()?.parse().ok()).collect()
}

impl Publisher {
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
        let who = Who::User(identity.user.clone().unwrap_or_default(), identity.organisation.clone());
        Ok(Self { who, rights })
    }

    /// Makes the problem of an unknown event. It names only events that this publisher may publish.
    pub(super) fn unknown_event(&self, error: CatalogueError) -> Problem {
        let may_know = |event: &EventName| match &self.rights {
            Rights::Everything => true,
            Rights::Claimed { events, .. } => events.iter().any(|pattern| pattern.matches(event.as_str())),
        };
        Problem::new(ProblemCode::UnknownEvent, format!("e: {}", error.naming_only(may_know)))
    }

    /// Checks that this publisher may publish the event for the organisation.
    pub(crate) fn check(&self, event: &str, organisation: Option<&str>) -> Result<(), Problem> {
        let Rights::Claimed { events, organisation: own } = &self.rights else { return Ok(()) };
        if !events.iter().any(|pattern| pattern.matches(event)) {
            let detail = format!("the claim \"publish\" of the token does not cover the event \"{event}\"");
            return Err(Problem::new(ProblemCode::Forbidden, detail));
        }
        // A token of an organisation publishes for that organisation only, so the body has to name it.
        match own.as_deref() {
            Some(own) if organisation != Some(own) => {
                let detail = format!("org: the token may publish for its own organisation only: expected \"{own}\"");
                Err(Problem::new(ProblemCode::Forbidden, detail))
            }
            _ => Ok(()),
        }
    }
}
