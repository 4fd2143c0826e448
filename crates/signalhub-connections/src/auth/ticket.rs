//! Tickets, which stand for the token of a client, so that the token stands in no URL.

use std::fmt;

use aws_lc_rs::digest::{self, SHA256};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::request::Parts;

use crate::auth::bearer::{authorization_token, bearer_token};

/// What a ticket begins with. No JSON Web Token does.
pub(crate) const PREFIX: &str = "sht_";

/// The secret of a ticket: 32 random bytes in base64url behind a prefix.
///
/// It is never shown: its `Debug` form hides it, and it has no `Display`. The server keeps only its [`TicketHash`].
pub(crate) struct Ticket(String);

/// The SHA-256 of a ticket. The hash is enough to recognise a ticket, and it opens nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct TicketHash([u8; 32]);

impl Ticket {
    pub(crate) fn random() -> Self {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).expect("the operating system has a random number generator");
        Self(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// A ticket that holds what it stands for, in this text.
    pub(crate) fn sealed(text: String) -> Self {
        Self(text)
    }

    /// The bearer token of a request if it is a ticket, whether it is a good one or not.
    pub(crate) fn of_request(request: &Parts) -> Option<Self> {
        let token = match authorization_token(request) {
            Some(token) => token.to_owned(),
            None => bearer_token(request)?,
        };
        token.starts_with(PREFIX).then_some(Self(token))
    }

    /// The secret itself, for the answer to a negotiation only.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }

    pub(crate) fn hash(&self) -> TicketHash {
        TicketHash::of(&self.0)
    }
}

impl TicketHash {
    /// Hashes the bearer token of a request if it is a ticket, whether it is a good one or not.
    pub(crate) fn of_request(request: &Parts) -> Option<Self> {
        match authorization_token(request) {
            Some(token) => Self::of_token(token),
            None => Self::of_token(&bearer_token(request)?),
        }
    }

    /// The same for the `Authorization` header alone.
    pub(crate) fn of_authorization(request: &Parts) -> Option<Self> {
        authorization_token(request).and_then(Self::of_token)
    }

    /// A short name of the ticket.
    pub(crate) fn key(&self) -> [u8; 16] {
        let mut key = [0; 16];
        key.copy_from_slice(&self.0[..16]);
        key
    }

    fn of_token(token: &str) -> Option<Self> {
        token.starts_with(PREFIX).then(|| Self::of(token))
    }

    fn of(token: &str) -> Self {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest::digest(&SHA256, token.as_bytes()).as_ref());
        Self(hash)
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ticket(..)")
    }
}

#[cfg(test)]
mod tests;
