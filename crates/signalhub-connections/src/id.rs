//! The two names of a connection: one public, one secret.

use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Names a connection to everyone: hubs address it by this id and may show it to other clients.
///
/// 16 random bytes in base64url, 22 characters (negotiate, `connectionId`).
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(Arc<str>);

impl ConnectionId {
    /// Wraps an id that was received from elsewhere, as an argument of a hub method.
    pub fn new(id: impl Into<Arc<str>>) -> Self {
        Self(id.into())
    }

    pub(crate) fn random() -> Self {
        Self(random_name().into())
    }

    /// Shows the id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ConnectionId({})", self.0)
    }
}

impl std::borrow::Borrow<str> for ConnectionId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl serde::Serialize for ConnectionId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> serde::Deserialize<'de> for ConnectionId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <Arc<str>>::deserialize(deserializer).map(Self)
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

    /// Makes the token of a connection negotiated under version 0, where id and token are one.
    pub(crate) fn same_as(id: &ConnectionId) -> Self {
        Self(Arc::clone(&id.0))
    }

    /// Gives the secret away, for negotiate's answer alone.
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
    fn a_token_is_not_shown() {
        let token = ConnectionToken::random();
        assert!(!format!("{token:?}").contains(token.reveal()));
    }
}
