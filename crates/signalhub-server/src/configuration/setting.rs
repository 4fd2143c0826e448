//! The types of configuration values, and how each is read and written.

use std::fmt;
use std::num::NonZeroUsize;
use std::time::Duration;

use toml::de::DeValue;
use tracing_subscriber::EnvFilter;

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

/// The most there may be of something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Maximum {
    /// As many as anybody likes.
    Unlimited,
    /// So many.
    Of(NonZeroUsize),
}

impl Maximum {
    /// So many, but at least one.
    pub const fn of(count: usize) -> Self {
        match NonZeroUsize::new(count) {
            Some(count) => Self::Of(count),
            None => Self::Of(NonZeroUsize::MIN),
        }
    }
}

impl Setting for Maximum {
    const EXPECTED: &'static str = "a whole number from 1, or \"unlimited\"";

    fn parse(given: &Given<'_>) -> Option<Self> {
        match given.text() {
            Some("unlimited") => Some(Self::Unlimited),
            _ => NonZeroUsize::parse(given).map(Self::Of),
        }
    }

    fn written(&self) -> String {
        match self {
            Self::Unlimited => quoted("unlimited"),
            Self::Of(count) => count.written(),
        }
    }
}

/// How many sockets an address may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SocketShare {
    /// A quarter of all that there may be.
    Quarter,
    /// As many as there may be in all.
    Unlimited,
    /// So many.
    Of(NonZeroUsize),
}

impl Setting for SocketShare {
    const EXPECTED: &'static str = "\"quarter\", a whole number from 1, or \"unlimited\"";

    fn parse(given: &Given<'_>) -> Option<Self> {
        match given.text() {
            Some("quarter") => Some(Self::Quarter),
            Some("unlimited") => Some(Self::Unlimited),
            _ => NonZeroUsize::parse(given).map(Self::Of),
        }
    }

    fn written(&self) -> String {
        match self {
            Self::Quarter => quoted("quarter"),
            Self::Unlimited => quoted("unlimited"),
            Self::Of(count) => count.written(),
        }
    }
}

const TIME_UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

impl Setting for Duration {
    const EXPECTED: &'static str = "a time such as \"15s\", in ms, s, m, h or d";

    fn parse(given: &Given<'_>) -> Option<Self> {
        parse_duration(given.text()?)
    }

    fn written(&self) -> String {
        let milliseconds = u64::try_from(self.as_millis()).unwrap_or(u64::MAX);
        let fits = |(_, unit): &&(&str, u64)| milliseconds % unit == 0 && (milliseconds > 0 || *unit == 1000);
        let (name, unit) = TIME_UNITS.iter().find(fits).unwrap_or(&("ms", 1));
        quoted(&format!("{}{name}", milliseconds / unit))
    }
}

/// Reads a time such as `15s`.
pub(crate) fn parse_duration(text: &str) -> Option<Duration> {
    parse_units(text, &TIME_UNITS).map(Duration::from_millis)
}

const SIZE_UNITS: [(&str, u64); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

/// A number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(usize);

impl ByteSize {
    /// Makes a size of so many times 1024 bytes.
    pub const fn kibibytes(count: usize) -> Self {
        Self(count * 1024)
    }

    /// Makes a size of so many bytes.
    pub const fn new(bytes: usize) -> Self {
        Self(bytes)
    }

    /// Returns the number of bytes.
    pub const fn bytes(self) -> usize {
        self.0
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.0 as u64;
        let (name, unit) = SIZE_UNITS.iter().find(|(_, unit)| bytes.is_multiple_of(*unit)).unwrap_or(&("B", 1));
        write!(f, "{}{name}", bytes / unit)
    }
}

impl Setting for ByteSize {
    const EXPECTED: &'static str = "a size such as \"32KiB\", in B, KiB, MiB or GiB, and more than nothing";

    fn parse(given: &Given<'_>) -> Option<Self> {
        let bytes = parse_units(given.text()?, &SIZE_UNITS).filter(|bytes| *bytes > 0)?;
        usize::try_from(bytes).ok().map(Self)
    }

    fn written(&self) -> String {
        quoted(&self.to_string())
    }
}

fn parse_units(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.len() - text.trim_start_matches(|digit: char| digit.is_ascii_digit()).len();
    let (number, name) = text.split_at(digits);
    let (_, unit) = units.iter().find(|(known, _)| *known == name.trim_start())?;
    number.parse::<u64>().ok()?.checked_mul(*unit)
}

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
                f.write_str("(secret)")
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("(secret)")
            }
        }

        impl Setting for $name {
            const EXPECTED: &'static str = $expected;

            fn parse(given: &Given<'_>) -> Option<Self> {
                Self::new(given.text()?)
            }

            fn written(&self) -> String {
                quoted("(secret)")
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

/// Defines a choice between words.
macro_rules! choice {
    ($(#[doc = $doc:literal])+ $name:ident, $expected:literal, { $( $(#[doc = $about:literal])+ $variant:ident = $word:literal, )+ }) => {
        $(#[doc = $doc])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name {
            $( $(#[doc = $about])+ $variant, )+
        }

        impl Setting for $name {
            const EXPECTED: &'static str = $expected;

            fn parse(given: &Given<'_>) -> Option<Self> {
                match given.text()? {
                    $( $word => Some(Self::$variant), )+
                    _ => None,
                }
            }

            fn written(&self) -> String {
                match self {
                    $( Self::$variant => quoted($word), )+
                }
            }
        }
    };
}

choice! {
    /// What a token without grants may see.
    DefaultGrants, "\"all\" or \"none\"", {
        /// Every event.
        All = "all",
        /// No event.
        None = "none",
    }
}

choice! {
    /// In which headers proxies say where a request comes from.
    ForwardedHeader, "\"x-forwarded\" or \"forwarded\"", {
        /// `X-Forwarded-For`, `-Proto` and `-Host`.
        XForwarded = "x-forwarded",
        /// `Forwarded` (RFC 7239).
        Forwarded = "forwarded",
    }
}

choice! {
    /// How the log is written.
    LogFormat, "\"text\" or \"json\"", {
        /// For people.
        Text = "text",
        /// One JSON object a line.
        Json = "json",
    }
}

/// Says what is logged, in the words of `RUST_LOG`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogFilter(String);

impl LogFilter {
    /// Makes the filter that lets information and what is worse through.
    pub fn info() -> Self {
        Self("info".to_owned())
    }

    /// Returns it as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Setting for LogFilter {
    const EXPECTED: &'static str =
        "\"error\", \"warn\", \"info\", \"debug\", \"trace\" or a filter such as \"info,signalhub=debug\"";

    fn parse(given: &Given<'_>) -> Option<Self> {
        let text = given.text().filter(|text| !text.is_empty())?;
        // A word that is no level would be taken for the name of a crate, and nothing would be logged at all.
        let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        let level = text.parse::<tracing_subscriber::filter::LevelFilter>().is_ok();
        (EnvFilter::try_new(text).is_ok() && (level || !plain)).then(|| Self(text.to_owned()))
    }

    fn written(&self) -> String {
        quoted(&self.0)
    }
}

pub(super) fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}
