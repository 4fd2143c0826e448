//! The two names of a connection: one public, one secret.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The public id of a connection: hubs address it by this id and may show it to other clients.
///
/// 16 random bytes in base64url, 22 characters (negotiate, `connectionId`).
///
/// Under negotiate version 0 the id is also the token that opens the connection. Such an id must not reach a log: use
/// [`ConnectionId::for_log`] there.
#[derive(Clone)]
pub struct ConnectionId {
    text: Arc<str>,
    secrecy: Secrecy,
}

#[derive(Clone, Copy)]
enum Secrecy {
    Public,
    IsToken,
}

impl ConnectionId {
    /// Wraps an id that was received, for example as an argument of a hub method.
    pub fn new(id: impl Into<Arc<str>>) -> Self {
        Self { text: id.into(), secrecy: Secrecy::Public }
    }

    pub(crate) fn random() -> Self {
        Self::new(random_name())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Tells whether the id may be shown: it is not also the token.
    pub fn is_public(&self) -> bool {
        matches!(self.secrecy, Secrecy::Public)
    }

    /// The id as a log may show it: hidden if it is also the token.
    pub fn for_log(&self) -> &str {
        match self.secrecy {
            Secrecy::Public => &self.text,
            Secrecy::IsToken => "(secret)",
        }
    }
}

/// Wraps an id that was received, as [`ConnectionId::new`] does.
impl From<&str> for ConnectionId {
    fn from(id: &str) -> Self {
        Self::new(id)
    }
}

/// Wraps an id that was received, as [`ConnectionId::new`] does.
impl From<String> for ConnectionId {
    fn from(id: String) -> Self {
        Self::new(id)
    }
}

impl PartialEq for ConnectionId {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for ConnectionId {}

impl Hash for ConnectionId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

impl PartialOrd for ConnectionId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ConnectionId {
    fn cmp(&self, other: &Self) -> Ordering {
        self.text.cmp(&other.text)
    }
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ConnectionId({})", self.for_log())
    }
}

impl std::borrow::Borrow<str> for ConnectionId {
    fn borrow(&self) -> &str {
        &self.text
    }
}

impl serde::Serialize for ConnectionId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> serde::Deserialize<'de> for ConnectionId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <Arc<str>>::deserialize(deserializer).map(Self::new)
    }
}

/// The secret that lets a client attach a transport to its negotiated connection.
///
/// It is never shown: its `Debug` form hides it, and it has no `Display`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct ConnectionToken(Arc<str>);

impl ConnectionToken {
    pub(crate) fn random() -> Self {
        Self(random_name().into())
    }

    /// The secret itself, for the answer to a negotiation only.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::borrow::Borrow<str> for ConnectionToken {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ConnectionToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ConnectionToken(..)")
    }
}

/// The two names of a new connection.
pub(crate) struct ConnectionNames {
    pub(crate) id: ConnectionId,
    pub(crate) token: ConnectionToken,
}

impl ConnectionNames {
    /// Makes names that do not reveal each other.
    pub(crate) fn random() -> Self {
        Self { id: ConnectionId::random(), token: ConnectionToken::random() }
    }

    /// Makes the names of a connection negotiated under version 0, where the id is also the token.
    pub(crate) fn random_shared() -> Self {
        Self::shared(&random_name())
    }

    /// The names of a connection with this id and a token that is known already.
    pub(crate) fn with_token(id: ConnectionId, token: &str) -> Self {
        Self { id, token: ConnectionToken(token.into()) }
    }

    /// The names of a connection whose id is this token.
    pub(crate) fn shared(token: &str) -> Self {
        let text: Arc<str> = token.into();
        Self { id: ConnectionId { text: Arc::clone(&text), secrecy: Secrecy::IsToken }, token: ConnectionToken(text) }
    }
}

fn random_name() -> String {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("the operating system has a random number generator");
    URL_SAFE_NO_PAD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_22_characters_and_differ() {
        let (a, b) = (ConnectionId::random(), ConnectionId::random());
        assert_ne!(a, b);
        assert_eq!(a.as_str().len(), 22);
        assert!(a.as_str().bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'));
    }

    #[test]
    fn an_id_that_is_a_token_is_not_shown_in_a_log() {
        let ConnectionNames { id, token } = ConnectionNames::random_shared();
        assert_eq!((id.as_str(), id.for_log()), (token.reveal(), "(secret)"));
        assert!(!format!("{id:?}").contains(token.reveal()));
        let public = ConnectionId::new(id.as_str());
        assert_eq!((&public, public.for_log()), (&id, id.as_str()));
    }

    #[test]
    fn an_id_is_made_from_text() {
        let id = ConnectionId::random();
        assert_eq!(ConnectionId::from(id.as_str()), id);
        assert_eq!(ConnectionId::from(id.as_str().to_owned()), id);
    }

    #[test]
    fn a_token_is_not_shown() {
        let token = ConnectionToken::random();
        assert!(!format!("{token:?}").contains(token.reveal()));
    }
}
