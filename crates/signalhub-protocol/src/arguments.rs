//! Values that came with a message and become typed when somebody asks for them.

use serde::de::DeserializeOwned;

use crate::json;

/// The arguments of an invocation, as they were sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arguments<'a> {
    /// A JSON array, as [`crate::Protocol::decode`] checked or [`crate::Protocol::encode_arguments`] wrote it.
    ///
    /// Binding text that is none fails; encoding it writes a message that no receiver can read.
    Json(&'a [u8]),
}

impl<'a> Arguments<'a> {
    /// Begins to take them one by one, for a method that expects so many.
    ///
    /// JSON counts them on the way: an early argument that cannot be converted wins over a wrong number of them.
    pub fn bind(&self, expected: usize) -> Result<Binder<'a>, BindError> {
        match *self {
            Self::Json(array) => Ok(Binder { elements: json::Elements::new(array), expected }),
        }
    }
}

/// Takes the arguments of an invocation one by one.
#[derive(Debug)]
pub struct Binder<'a> {
    elements: json::Elements<'a>,
    expected: usize,
}

impl Binder<'_> {
    /// Converts the next argument.
    // An iterator gives one type of item; here every call has its own.
    #[allow(clippy::should_implement_trait)]
    pub fn next<T: DeserializeOwned>(&mut self) -> Result<T, BindError> {
        match self.elements.next()? {
            Some(element) => json::bind(element),
            None => Err(self.wrong_count()),
        }
    }

    /// Succeeds when all arguments were taken.
    pub fn finish(mut self) -> Result<(), BindError> {
        if self.elements.next()?.is_none() {
            return Ok(());
        }
        while self.elements.next()?.is_some() {}
        Err(self.wrong_count())
    }

    fn wrong_count(&self) -> BindError {
        BindError::Count { provided: self.elements.count(), expected: self.expected }
    }
}

/// A result or an item of a stream, as it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    /// A JSON value, as [`crate::Protocol::decode`] checked or [`crate::Protocol::encode_value`] wrote it.
    Json(&'a [u8]),
}

impl Value<'_> {
    /// Converts it.
    pub fn bind<T: DeserializeOwned>(&self) -> Result<T, BindError> {
        match self {
            Self::Json(value) => json::bind(value),
        }
    }
}

/// Values do not fit the types that are expected.
///
/// Its text is the original's, word for word, because it reaches clients of hubs with detailed errors.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// There are too few or too many arguments.
    #[error("Invocation provides {provided} argument(s) but target expects {expected}.")]
    Count {
        /// How many were sent.
        provided: usize,
        /// How many the method takes.
        expected: usize,
    },
    /// A value cannot become what is expected.
    #[error(
        "Error binding arguments. Make sure that the types of the provided values match the types of the hub method being invoked."
    )]
    Conversion {
        /// What is wrong, for a log; it is not sent.
        reason: String,
    },
}

impl BindError {
    /// Names the original's exception, which stands before the text in detailed errors.
    pub fn exception(&self) -> &'static str {
        "InvalidDataException"
    }
}

impl serde::de::Error for BindError {
    fn custom<T: std::fmt::Display>(text: T) -> Self {
        Self::Conversion { reason: text.to_string() }
    }
}
