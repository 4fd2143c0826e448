//! Signed connection tokens: any node can tell what was negotiated, with whom and when, and so keeps nothing of it.
//!
//! ```text
//! version 1 | flags 1 | time 4 | random 16 | mac 16        38 bytes, 51 characters in base64url
//! ```
//! The time is in whole seconds since 1970. The mac covers all bytes before it, the path of the endpoint, and the user
//! and organisation of the negotiation, so only these can use the token, and only there. The id of the connection is made
//! from the random bytes, and does not give them away.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::digest::{self, SHA256};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::counts::TokenRefusal;
use super::secrets::{ClusterSecrets, MAC_LENGTH, Mac, Purpose, SignedMessage};
use crate::auth::identity::Principal;
use crate::auth::ticket::TicketHash;
use crate::id::{ConnectionId, ConnectionNames};
use crate::transport::reconnect::Reconnect;

const VERSION: u8 = 1;

/// The flag of a connection that can be resumed.
const RECONNECT: u8 = 1;

/// The flag of a connection with a public id: negotiate version 1.
const SEPARATE_ID: u8 = 2;

const SIGNED_LENGTH: usize = 22;
const LENGTH: usize = SIGNED_LENGTH + MAC_LENGTH;

/// How much the clocks of two nodes may differ.
pub(crate) const CLOCK_TOLERANCE: Duration = Duration::from_secs(30);

/// Whether a connection has a public id beside its token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Naming {
    Separate,
    /// Negotiate version 0: the id is the token.
    Shared,
}

/// Who may use a token, and where.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TokenScope<'a> {
    /// The path of the endpoint, the same at all nodes.
    pub(crate) path: &'a str,
    pub(crate) principal: &'a Principal,
}

/// A short name of the connection of a token, from which its id is made.
pub(crate) type ConnectionKey = [u8; 16];

/// What a token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SignedToken {
    pub(crate) reconnect: Reconnect,
    pub(crate) naming: Naming,
    /// In whole seconds since 1970.
    issued: u32,
    random: [u8; 16],
}

impl SignedToken {
    /// Makes the token of a connection that is negotiated now.
    pub(crate) fn new(reconnect: Reconnect, naming: Naming, now: SystemTime) -> Self {
        let mut random = [0; 16];
        getrandom::fill(&mut random).expect("the operating system has a random number generator");
        Self { reconnect, naming, issued: seconds(now), random }
    }

    /// The same token, bound to a ticket: the last 8 of its random bytes show that it was negotiated with it.
    pub(crate) fn bound_to(mut self, ticket: TicketHash, secrets: &ClusterSecrets) -> Self {
        let (random, binding) = self.random.split_at_mut(8);
        let bindings = secrets.ticket_bindings(random, ticket).take(1);
        bindings.for_each(|made| binding.copy_from_slice(&made));
        self
    }

    /// Tells whether a connection was negotiated with a ticket.
    pub(crate) fn is_bound_to(&self, ticket: TicketHash, secrets: &ClusterSecrets) -> bool {
        let (random, binding) = self.random.split_at(8);
        secrets.ticket_bindings(random, ticket).any(|made| made == binding)
    }

    /// Writes and signs it.
    pub(crate) fn encode(&self, secrets: &ClusterSecrets, scope: TokenScope<'_>) -> String {
        let mut bytes = [0; LENGTH];
        let (signed, mac) = bytes.split_at_mut(SIGNED_LENGTH);
        let flag = |is_set: bool, flag: u8| if is_set { flag } else { 0 };
        signed[0] = VERSION;
        signed[1] =
            flag(self.reconnect == Reconnect::Stateful, RECONNECT) | flag(self.naming == Naming::Separate, SEPARATE_ID);
        signed[2..6].copy_from_slice(&self.issued.to_be_bytes());
        signed[6..].copy_from_slice(&self.random);
        mac.copy_from_slice(&secrets.sign(Purpose::ConnectionToken, &scope.message(signed)));
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads a token, and checks who made it for whom.
    pub(crate) fn decode(secrets: &ClusterSecrets, scope: TokenScope<'_>, text: &str) -> Result<Self, TokenRefusal> {
        let (token, signed, mac) = Self::parse(text).ok_or(TokenRefusal::Malformed)?;
        match secrets.verify(Purpose::ConnectionToken, &scope.message(&signed), &mac) {
            true => Ok(token),
            false => Err(TokenRefusal::Forged),
        }
    }

    /// Reads a token whose mac is not checked yet.
    pub(crate) fn parse(text: &str) -> Option<(Self, [u8; SIGNED_LENGTH], Mac)> {
        let mut bytes = [0; LENGTH];
        // One text only stands for these bytes: the decoder refuses padding and unused bits that are set.
        let length = URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).ok()?;
        let (signed, mac) = bytes.split_first_chunk::<SIGNED_LENGTH>()?;
        if length != LENGTH || signed[0] != VERSION || signed[1] & !(RECONNECT | SEPARATE_ID) != 0 {
            return None;
        }
        let reconnect = if signed[1] & RECONNECT != 0 { Reconnect::Stateful } else { Reconnect::Plain };
        let naming = if signed[1] & SEPARATE_ID != 0 { Naming::Separate } else { Naming::Shared };
        let issued = u32::from_be_bytes(*signed[2..].first_chunk()?);
        let token = Self { reconnect, naming, issued, random: *signed[6..].first_chunk()? };
        Some((token, *signed, *mac.first_chunk()?))
    }

    /// The first 16 bytes of the SHA-256 of the random bytes.
    pub(crate) fn key(&self) -> ConnectionKey {
        let mut key = [0; 16];
        key.copy_from_slice(&digest::digest(&SHA256, &self.random).as_ref()[..16]);
        key
    }

    /// The id that is public under negotiate version 1. Nodes name the connection by it in every version.
    pub(crate) fn public_id(&self) -> ConnectionId {
        ConnectionId::new(URL_SAFE_NO_PAD.encode(self.key()))
    }

    /// The names of the connection whose token is this text.
    pub(crate) fn names(&self, text: &str) -> ConnectionNames {
        match self.naming {
            Naming::Separate => ConnectionNames::with_token(self.public_id(), text),
            Naming::Shared => ConnectionNames::shared(text),
        }
    }

    /// How long it may still open a connection; `None` if it may not any more, or is from the future.
    pub(crate) fn time_left(&self, now: SystemTime, lifetime: Duration) -> Option<Duration> {
        let issued = UNIX_EPOCH + Duration::from_secs(self.issued.into());
        if issued.duration_since(now).is_ok_and(|ahead| ahead > CLOCK_TOLERANCE) {
            return None;
        }
        // The time was cut to whole seconds.
        let end = issued.checked_add(lifetime)? + Duration::from_secs(1);
        end.duration_since(now).ok().filter(|left| !left.is_zero())
    }
}

impl TokenScope<'_> {
    fn message(self, signed: &[u8]) -> SignedMessage {
        let Principal { organisation, user } = self.principal;
        let message = SignedMessage::default().with(signed).with(self.path.as_bytes());
        message.with_optional(organisation.as_deref()).with_optional(user.as_deref())
    }
}

/// Whole seconds since 1970, until the year 2106.
pub(super) fn seconds(time: SystemTime) -> u32 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    u32::try_from(since).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
