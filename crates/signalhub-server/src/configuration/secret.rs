//! Values that are never shown.

use std::fmt;

use super::setting::{Given, Setting, quoted};

/// What stands for a secret.
pub(super) const SECRET: &str = "(secret)";

/// Defines a text that must not be seen: neither `Debug` nor an error shows it.
macro_rules! secret {
    ($(#[doc = $doc:literal])+ $name:ident, $expected:literal, $good:expr) => {
        $(#[doc = $doc])+
        #[derive(Clone, PartialEq, Eq)]
        pub struct $name(String);

        impl $name {
            /// Wraps a secret; `None` when it is not acceptable as one.
            pub fn new(secret: impl Into<String>) -> Option<Self> {
                let secret = secret.into();
                let good: fn(&str) -> bool = $good;
                good(&secret).then_some(Self(secret))
            }

            /// Returns the secret itself.
            pub fn reveal(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(SECRET)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(SECRET)
            }
        }

        impl Setting for $name {
            const EXPECTED: &'static str = $expected;

            fn parse(given: &Given<'_>) -> Option<Self> {
                Self::new(given.text()?)
            }

            fn written(&self) -> String {
                quoted(SECRET)
            }
        }
    };
}

secret! {
    /// A secret that tokens are signed with; an HMAC with SHA-256 is as strong as its key only up from 32 bytes (RFC 7518, 3.2).
    SigningSecret, "a secret of at least 32 bytes", |secret| secret.len() >= 32
}

secret! {
    /// A key of the publish API, as it stands in a header.
    ApiKey, "keys of visible ASCII characters", |key| !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_graphic())
}

secret! {
    /// A password for another server.
    Password, "a password that is not empty", |password| !password.is_empty()
}
