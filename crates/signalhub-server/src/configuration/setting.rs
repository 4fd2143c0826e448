//! How the values of keys are read and written, and the plain ones: texts, booleans, counts and lists.

use std::borrow::Cow;
use std::num::NonZeroUsize;

use toml::de::DeValue;

/// A value as its source gives it.
pub(super) enum Given<'a> {
    /// The text of an environment variable or a flag; lists are separated by commas.
    Text(&'a str),
    /// A value of the file.
    Toml(&'a DeValue<'a>),
    /// A value inside a variable or a flag that is JSON.
    Json(&'a serde_json::Value),
}

/// A name or an item, and where it begins in the file, in bytes.
type Placed<'a, T> = (T, Option<usize>, Given<'a>);

impl<'a> Given<'a> {
    pub(super) fn text(&self) -> Option<&'a str> {
        match *self {
            Self::Text(text) => Some(text),
            Self::Toml(value) => value.as_str(),
            Self::Json(value) => value.as_str(),
        }
    }

    /// The text, or what was written as a date or a time of TOML.
    pub(super) fn text_or_time(&self) -> Option<Cow<'a, str>> {
        match *self {
            Self::Toml(DeValue::Datetime(time)) => Some(time.to_string().into()),
            _ => self.text().map(Cow::Borrowed),
        }
    }

    pub(super) fn boolean(&self) -> Option<bool> {
        match *self {
            Self::Text(text) => text.parse().ok(),
            Self::Toml(value) => value.as_bool(),
            Self::Json(value) => value.as_bool(),
        }
    }

    pub(super) fn count(&self) -> Option<usize> {
        match *self {
            Self::Text(text) => text.parse().ok(),
            Self::Toml(value) => {
                let integer = value.as_integer()?;
                usize::from_str_radix(integer.as_str(), integer.radix()).ok()
            }
            Self::Json(value) => value.as_u64()?.try_into().ok(),
        }
    }

    pub(super) fn list(&self) -> Option<Vec<Self>> {
        match *self {
            Self::Text(text) => {
                Some(text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(Given::Text).collect())
            }
            _ => Some(self.items()?.into_iter().map(|(_, given)| given).collect()),
        }
    }

    /// The items of a list, and where each begins in the file. The text of a variable or a flag has none.
    pub(super) fn items(&self) -> Option<Vec<(Option<usize>, Self)>> {
        match *self {
            Self::Text(_) => None,
            Self::Toml(value) => {
                let items = value.as_array()?.iter();
                Some(items.map(|item| (Some(item.span().start), Given::Toml(item.get_ref()))).collect())
            }
            Self::Json(value) => Some(value.as_array()?.iter().map(|item| (None, Given::Json(item))).collect()),
        }
    }

    /// The members of a table. The text of a variable or a flag has none.
    pub(super) fn members(&self) -> Option<Vec<Placed<'a, &'a str>>> {
        match *self {
            Self::Text(_) => None,
            Self::Toml(value) => {
                let members = value.as_table()?.iter();
                let member = |(name, value): (&'a toml::Spanned<Cow<'a, str>>, &'a toml::Spanned<DeValue<'a>>)| {
                    (&**name.get_ref(), Some(name.span().start), Given::Toml(value.get_ref()))
                };
                Some(members.map(member).collect())
            }
            Self::Json(value) => {
                let members = value.as_object()?.iter();
                Some(members.map(|(name, value)| (name.as_str(), None, Given::Json(value))).collect())
            }
        }
    }
}

/// What is wrong with a value, and where.
#[derive(Debug)]
pub(super) struct Fault {
    /// What leads from the value of the key to what is wrong, such as `[0].algorithms`.
    pub(super) path: String,
    /// What was expected there.
    pub(super) expected: Cow<'static, str>,
    /// Where it begins in the file, in bytes.
    pub(super) place: Option<usize>,
}

impl Fault {
    /// The value itself is not what was expected.
    pub(super) fn here(expected: impl Into<Cow<'static, str>>) -> Self {
        Self { path: String::new(), expected: expected.into(), place: None }
    }

    /// Prefixes the error's path with this key or index.
    pub(super) fn inside(self, name: &str) -> Self {
        Self { path: format!("{name}{}", self.path), ..self }
    }

    /// Sets the place of the error, unless a more precise one is known.
    pub(super) fn or_at(self, place: Option<usize>) -> Self {
        Self { place: self.place.or(place), ..self }
    }
}

/// Describes one key of a table, for the documents.
#[derive(Clone, Copy, Debug)]
pub struct TableKeyDoc {
    /// Its name.
    pub name: &'static str,
    /// What it does.
    pub doc: &'static str,
    /// What its values look like.
    pub expected: &'static str,
    pub(super) default_text: fn() -> String,
}

/// The type of a key.
pub(super) trait Setting: Sized {
    /// What a value looks like, to stand after "expected".
    const EXPECTED: &'static str;

    /// What a list of values looks like.
    const EXPECTED_LIST: &'static str = "a list such as [\"a\", \"b\"], or \"a,b\" outside of the file";

    /// The keys of a table, if this is a list of tables.
    const TABLE: &'static [TableKeyDoc] = &[];

    /// Reads a value; `None` when it is not what was expected.
    fn parse(given: &Given<'_>) -> Option<Self>;

    /// Reads a value. Where a value has parts, the error tells which of them is not what was expected.
    fn read(given: &Given<'_>) -> Result<Self, Fault> {
        Self::parse(given).ok_or(Fault::here(Self::EXPECTED))
    }

    /// Writes a value as in the file; empty when there is none.
    fn written(&self) -> String;
}

impl<T: Setting> Setting for Option<T> {
    const EXPECTED: &'static str = T::EXPECTED;

    fn parse(given: &Given<'_>) -> Option<Self> {
        T::parse(given).map(Some)
    }

    fn read(given: &Given<'_>) -> Result<Self, Fault> {
        T::read(given).map(Some)
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
