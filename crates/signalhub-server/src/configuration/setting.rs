//! How the values of keys are read and written, and the plain ones: texts, booleans, counts and lists.

use std::num::NonZeroUsize;

use toml::de::DeValue;

/// A value as its source gives it.
pub(super) enum Given<'a> {
    /// The text of an environment variable or a flag; lists are separated by commas.
    Text(&'a str),
    /// A value of the file.
    Toml(&'a DeValue<'a>),
}

impl<'a> Given<'a> {
    pub(super) fn text(&self) -> Option<&'a str> {
        match *self {
            Self::Text(text) => Some(text),
            Self::Toml(value) => value.as_str(),
        }
    }

    fn boolean(&self) -> Option<bool> {
        match *self {
            Self::Text(text) => text.parse().ok(),
            Self::Toml(value) => value.as_bool(),
        }
    }

    pub(super) fn count(&self) -> Option<usize> {
        match *self {
            Self::Text(text) => text.parse().ok(),
            Self::Toml(value) => {
                let integer = value.as_integer()?;
                usize::from_str_radix(integer.as_str(), integer.radix()).ok()
            }
        }
    }

    fn list(&self) -> Option<Vec<Self>> {
        match *self {
            Self::Text(text) => {
                Some(text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(Given::Text).collect())
            }
            Self::Toml(value) => Some(value.as_array()?.iter().map(|item| Given::Toml(item.get_ref())).collect()),
        }
    }
}

/// The type of a key.
pub(super) trait Setting: Sized {
    /// What a value looks like, to stand after "expected".
    const EXPECTED: &'static str;

    /// What a list of values looks like.
    const EXPECTED_LIST: &'static str = "a list such as [\"a\", \"b\"], or \"a,b\" outside of the file";

    /// Reads a value; `None` when it is not what was expected.
    fn parse(given: &Given<'_>) -> Option<Self>;

    /// Writes a value as in the file; empty when there is none.
    fn written(&self) -> String;
}

impl<T: Setting> Setting for Option<T> {
    const EXPECTED: &'static str = T::EXPECTED;

    fn parse(given: &Given<'_>) -> Option<Self> {
        T::parse(given).map(Some)
    }

    fn written(&self) -> String {
        self.as_ref().map(T::written).unwrap_or_default()
    }
}

impl<T: Setting> Setting for Vec<T> {
    const EXPECTED: &'static str = T::EXPECTED_LIST;

    fn parse(given: &Given<'_>) -> Option<Self> {
        given.list()?.iter().map(T::parse).collect()
    }

    fn written(&self) -> String {
        format!("[{}]", self.iter().map(T::written).collect::<Vec<_>>().join(", "))
    }
}

impl Setting for String {
    const EXPECTED: &'static str = "a text that is not empty";

    fn parse(given: &Given<'_>) -> Option<Self> {
        given.text().filter(|text| !text.is_empty()).map(str::to_owned)
    }

    fn written(&self) -> String {
        quoted(self)
    }
}

impl Setting for bool {
    const EXPECTED: &'static str = "true or false";

    fn parse(given: &Given<'_>) -> Option<Self> {
        given.boolean()
    }

    fn written(&self) -> String {
        self.to_string()
    }
}

impl Setting for NonZeroUsize {
    const EXPECTED: &'static str = "a whole number from 1";

    fn parse(given: &Given<'_>) -> Option<Self> {
        Self::new(given.count()?)
    }

    fn written(&self) -> String {
        self.to_string()
    }
}

/// Makes a count for a default.
///
/// # Panics
/// If it is 0.
pub(super) const fn count(number: usize) -> NonZeroUsize {
    NonZeroUsize::new(number).expect("a default is at least 1")
}

impl Setting for usize {
    const EXPECTED: &'static str = "a whole number";

    fn parse(given: &Given<'_>) -> Option<Self> {
        given.count()
    }

    fn written(&self) -> String {
        self.to_string()
    }
}

pub(super) fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}
