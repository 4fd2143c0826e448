//! Who may publish what.

use std::hint::black_box;

use http::header::AUTHORIZATION;
use http::request::Parts;
use signalhub::connections::{Authenticate, Authentication};
use signalhub::events::Pattern;
use signalhub::{BearerToken, Identity};

use super::problem::{Problem, ProblemCode};
use super::rate::Who;
use crate::configuration::ApiKey;

/// The header of an API key.
const API_KEY: &str = "x-api-key";

/// The claim that holds the patterns of the events that a token may publish.
const CLAIM: &str = "publish";

/// Knows the API keys and the bearer tokens.
#[derive(Debug)]
pub(crate) struct Authorizer {
    keys: Vec<ApiKey>,
    bearer: BearerToken,
}

/// Somebody who may publish something.
#[derive(Debug)]
pub(crate) struct Publisher {
    /// Whose allowance is used.
    pub(super) who: Who,
    rights: Rights,
}

#[derive(Debug)]
enum Rights {
    /// The holder of an API key may publish everything.
    Everything,
    /// The holder of a token may publish what its claim says, within its organisation.
    Claimed { events: Vec<Pattern>, organisation: Option<String> },
}

impl Authorizer {
    pub(crate) fn new(keys: Vec<ApiKey>, bearer: BearerToken) -> Self {
        Self { keys, bearer }
    }

    /// Finds out who sent a request, and refuses those who may publish nothing at all.
    pub(crate) fn identify(&self, head: &Parts) -> Result<Publisher, Problem> {
        let refused = |detail: &str| Err(Problem::new(ProblemCode::Unauthenticated, detail));
        if let Some(key) = head.headers.get(API_KEY) {
            return match self.place_of(key.as_bytes()) {
                Some(place) => Ok(Publisher { who: Who::Key(place), rights: Rights::Everything }),
                None => refused("the API key is not known"),
            };
        }
        // A token in the query is for browsers' WebSockets only: queries end up in the logs of proxies.
        if !head.headers.contains_key(AUTHORIZATION) {
            return refused("expected the header X-API-Key, or Authorization with a bearer token");
        }
        match self.bearer.authenticate(head) {
            Authentication::Identified(identity) => Publisher::of_token(&identity),
            Authentication::Missing => refused("expected a bearer token in the header Authorization"),
            Authentication::Expired => refused("the token has expired"),
            Authentication::Invalid(why) => refused(&why),
        }
    }

    /// Compares with every key, so that the time it takes tells a stranger nothing about any of them.
    fn place_of(&self, given: &[u8]) -> Option<usize> {
        self.keys.iter().enumerate().fold(None, |found, (place, key)| {
            let matches = black_box(same(key.reveal().as_bytes(), given));
            found.or(matches.then_some(place))
        })
    }
}

/// Compares in a time that depends on the length of what was given, and on nothing else.
fn same(key: &[u8], given: &[u8]) -> bool {
    let mut difference = usize::from(key.len() != given.len());
    for (index, byte) in given.iter().enumerate() {
        difference |= black_box(usize::from(byte ^ key.get(index).copied().unwrap_or(0)));
    }
    difference == 0
}

impl Publisher {
    fn of_token(identity: &Identity) -> Result<Self, Problem> {
        let forbidden = |detail: &str| Problem::new(ProblemCode::Forbidden, detail);
        let claim = identity.claims.get(CLAIM).ok_or_else(|| forbidden("the token has no claim \"publish\""))?;
        let events = claim.as_array().and_then(|patterns| {
            patterns.iter().map(|pattern| pattern.as_str()?.parse().ok()).collect::<Option<Vec<Pattern>>>()
        });
        let events = events.ok_or_else(|| {
            forbidden("the claim \"publish\" of the token is no list of event names, which may end with *")
        })?;
        let rights = Rights::Claimed { events, organisation: identity.organisation.as_deref().map(str::to_owned) };
        let who = Who::User(identity.user.clone().unwrap_or_default(), identity.organisation.clone());
        Ok(Self { who, rights })
    }

    /// Checks that this publisher may publish the event for the organisation.
    pub(crate) fn check(&self, event: &str, organisation: Option<&str>) -> Result<(), Problem> {
        let Rights::Claimed { events, organisation: own } = &self.rights else { return Ok(()) };
        if !events.iter().any(|pattern| pattern.matches(event)) {
            let detail = format!("the claim \"publish\" of the token does not cover the event \"{event}\"");
            return Err(Problem::new(ProblemCode::Forbidden, detail));
        }
        // What a token of one organisation says never crosses its border, so it has to say where it belongs.
        match own.as_deref() {
            Some(own) if organisation != Some(own) => {
                let detail = format!("org: the token may publish for its own organisation only: expected \"{own}\"");
                Err(Problem::new(ProblemCode::Forbidden, detail))
            }
            _ => Ok(()),
        }
    }
}
