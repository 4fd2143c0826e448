//! The names that events are addressed by.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// The longest name, in bytes. Each subscription keeps its names, so their length must be limited.
pub const LONGEST_NAME: usize = 256;

/// Why a text is not a valid name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// It is empty.
    #[error("a name must not be empty")]
    Empty,
    /// It has this number of bytes, more than [`LONGEST_NAME`].
    #[error("a name may have {LONGEST_NAME} bytes, found {0}")]
    TooLong(usize),
}

/// Checks that a name is not too long. Names made with `new` have not been checked.
pub(crate) fn check_length(name: &str) -> Result<(), NameError> {
    if name.len() > LONGEST_NAME { Err(NameError::TooLong(name.len())) } else { Ok(()) }
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Wraps a name without checking it. Parsing (`FromStr`) refuses one that is empty or too long.
            pub fn new(name: impl Into<Arc<str>>) -> Self {
                Self(name.into())
            }

            /// Returns the name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                if text.is_empty() {
                    return Err(NameError::Empty);
                }
                check_length(text)?;
                Ok(Self(text.into()))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(name: &str) -> Self {
                Self(name.into())
            }
        }

        impl From<String> for $name {
            fn from(name: String) -> Self {
                Self(name.into())
            }
        }
    };
}

name! {
    /// Names a kind of event, such as `shop.resources.changed`; compared exactly.
    EventName
}
name! {
    /// Names a resource that an event is about, such as `tickets`; opaque, compared exactly.
    ResourceName
}
name! {
    /// Names an organisation. An event of an organisation is delivered only within it.
    Organisation
}
