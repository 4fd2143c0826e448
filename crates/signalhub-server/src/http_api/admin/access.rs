//! Who may read and who may act.
//!
//! Reading and acting are two rights. Every client of a loopback listener may read, unless `admin.token` is configured.
//! Everything else needs the token. Browsers do not add it by themselves, so a web page of another site cannot use this API
//! through its visitor's browser; the checks of origin and content type hold even if a page has got the token. Pages of other origins may not even ask for what is free to read: they
//! cannot see the answers, but could hold tails open.

use std::net::IpAddr;
use std::time::Duration;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use http::Method;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use signalhub::connections::{GuessLimit, Origins, authorization_token};
use tokio::sync::Semaphore;

use crate::configuration::{Configuration, KeyDigest, Place, SigningSecret};
use crate::http_api::foreign_pages;
use crate::http_api::problem::{Problem, ProblemCode};

/// After this many wrong tokens from one address within [`FAILURE_MEMORY`], the answer to a further one is delayed.
const FAILURES_WITHOUT_DELAY: u32 = 5;
const FAILURE_MEMORY: Duration = Duration::from_secs(60);
const DELAY: Duration = Duration::from_secs(1);

/// How many answers are delayed at once. Further wrong tokens are refused without an answer about them.
const MOST_DELAYED: usize = 64;

/// What a request needs to be allowed to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Right {
    /// To look at the server.
    Reading,
    /// To change it, or to see what is more than its state.
    Acting,
}

impl Right {
    /// The right that a method needs where there is no route.
    pub(super) fn of(method: &Method) -> Self {
        if is_safe(method) { Self::Reading } else { Self::Acting }
    }
}

/// Decides about requests to the admin API.
#[derive(Debug)]
pub(super) struct Access {
    /// The digest of `admin.token`; `None` if there is none, and then no client may act.
    token: Option<KeyDigest>,
    reading: FreeReading,
    /// Counts wrong tokens together with those of the hub and of publishers.
    guesses: Option<GuessLimit>,
    failures: GuessLimit,
    delayed: Semaphore,
    origins: Origins,
}

/// Whether a client without the token may read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FreeReading {
    Allowed,
    Forbidden,
}

impl Access {
    /// Makes the rules for a listener at this address.
    pub(super) fn new(configuration: &Configuration, guesses: Option<GuessLimit>, address: IpAddr) -> Self {
        let token = configuration.admin.token.as_ref().map(SigningSecret::reveal);
        // The token that development mode makes is for acting: a developer can look without it.
        let is_made = configuration.places.of("admin.token") == Some(&Place::DevelopmentMode);
        let is_open = token.is_none() || is_made;
        let reading = if address.is_loopback() && is_open { FreeReading::Allowed } else { FreeReading::Forbidden };
        Self {
            token: token.map(|token| KeyDigest::of(token.as_bytes())),
            reading,
            guesses,
            failures: GuessLimit::new(FAILURES_WITHOUT_DELAY, FAILURE_MEMORY),
            delayed: Semaphore::new(MOST_DELAYED),
            origins: Origins::same(),
        }
    }

    /// Checks that a request may do what it asks for. Its origin comes first, then its credentials: without them a client
    /// learns nothing else.
    pub(super) async fn check(&self, head: &Parts, right: Right) -> Result<(), Problem> {
        foreign_pages::refuse(head)?;
        let changes = !is_safe(&head.method);
        if changes && !self.origins.allow_request(head) {
            return Err(Problem::new(ProblemCode::Forbidden, "the request comes from a page of another origin"));
        }
        if right == Right::Acting || self.reading == FreeReading::Forbidden {
            self.authenticate(head).await?;
        }
        if changes && !is_json(head) {
            let detail = "a request that changes something needs Content-Type: application/json";
            return Err(Problem::new(ProblemCode::UnsupportedMediaType, detail));
        }
        Ok(())
    }

    /// Checks that a client can get the right to read: there is a token, or reading is free.
    pub(super) fn check_configured(&self) -> Result<(), Problem> {
        if self.token.is_some() || self.reading == FreeReading::Allowed { Ok(()) } else { Err(no_token()) }
    }

    async fn authenticate(&self, head: &Parts) -> Result<(), Problem> {
        let Some(token) = &self.token else { return Err(no_token()) };
        match authorization_token(head) {
            Some(given) if is_equal(KeyDigest::of(given.as_bytes()), *token) => Ok(()),
            Some(_) => Err(self.wrong_token(head).await),
            None => Err(Problem::new(
                ProblemCode::AdminUnauthenticated,
                "Authorization: Bearer with the token of admin.token is missing",
            )),
        }
    }

    /// Makes the answer to a wrong token, after a delay if its address has sent some before.
    async fn wrong_token(&self, head: &Parts) -> Problem {
        if let Err(after) = self.failures.count(head) {
            let Ok(_permit) = self.delayed.try_acquire() else { return Problem::too_many_failures(after) };
            tokio::time::sleep(DELAY).await;
        }
        let (code, detail) = (ProblemCode::AdminUnauthenticated, "the token is not that of admin.token");
        Problem::wrong_credentials(self.guesses.as_ref(), head, code, detail)
    }
}

fn no_token() -> Problem {
    Problem::new(ProblemCode::Forbidden, "admin token not configured (admin.token)")
}

/// Compares digests, so that the time it takes tells nothing about the token.
fn is_equal(given: KeyDigest, known: KeyDigest) -> bool {
    verify_slices_are_equal(given.bytes(), known.bytes()).is_ok()
}

/// Tells whether a method changes nothing.
fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

/// Tells whether the content type is JSON, which no form of a web page can have.
fn is_json(head: &Parts) -> bool {
    let mut types = head.headers.get_all(CONTENT_TYPE).iter();
    let (Some(given), None) = (types.next(), types.next()) else { return false };
    let name = given.to_str().ok().and_then(|given| given.split(';').next());
    name.is_some_and(|name| name.trim().eq_ignore_ascii_case("application/json"))
}

#[cfg(test)]
mod tests;
