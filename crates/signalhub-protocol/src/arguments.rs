//! Values that came with a message and become typed when somebody asks for them.

use serde::de::DeserializeOwned;

use crate::{json, msgpack};

/// The arguments of an invocation, as they were sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arguments<'a> {
    /// A JSON array, as [`crate::Protocol::decode`] checked or [`crate::Protocol::encode_arguments`] wrote it.
    ///
    /// Binding text that is none fails; encoding it writes a message that no receiver can read.
    Json(&'a [u8]),
    /// A MessagePack array; what came with a message may be anything, which binding finds out.
    MessagePack(&'a [u8]),
}

impl<'a> Arguments<'a> {
    /// Begins to take them one by one, for a method that expects so many.
    ///
    /// JSON counts them on the way: an early argument that cannot be converted wins over a wrong number of them.
    /// MessagePack counts them first.
    pub fn bind(&self, expected: usize) -> Result<Binder<'a>, BindError> {
        Ok(Binder(match *self {
            Self::Json(array) => Elements::Json { elements: json::Elements::new(array), expected },
            Self::MessagePack(array) => Elements::MessagePack(msgpack::Elements::new(array, expected)?),
        }))
    }

    /// Gives the bytes of the array, in its own protocol.
    pub fn as_bytes(&self) -> &'a [u8] {
        match *self {
            Self::Json(array) | Self::MessagePack(array) => array,
        }
    }
}

/// Takes the arguments of an invocation one by one.
#[derive(Debug)]
pub struct Binder<'a>(Elements<'a>);

#[derive(Debug)]
enum Elements<'a> {
    Json {
        elements: json::Elements<'a>,
        expected: usize,
    },
    /// As many as are expected.
    MessagePack(msgpack::Elements<'a>),
}

impl Binder<'_> {
    /// Converts the next argument.
    // An iterator gives one type of item; here every call has its own.
    #[allow(clippy::should_implement_trait)]
    pub fn next<T: DeserializeOwned>(&mut self) -> Result<T, BindError> {
        match &mut self.0 {
            Elements::Json { elements, expected } => match elements.next()? {
                Some(element) => {
                    json::bind(element).map_err(|error| error.within(format_args!("argument {}", elements.count())))
                }
                None => Err(BindError::Count { provided: elements.count(), expected: *expected }),
            },
            Elements::MessagePack(elements) => {
                let bound = elements.next();
                bound.map_err(|error| error.within(format_args!("argument {}", elements.count())))
            }
        }
    }

    /// Succeeds when all arguments were taken.
    pub fn finish(self) -> Result<(), BindError> {
        let Elements::Json { mut elements, expected } = self.0 else {
            return Ok(());
        };
        if elements.next()?.is_none() {
            return Ok(());
        }
        while elements.next()?.is_some() {}
        Err(BindError::Count { provided: elements.count(), expected })
    }
}

/// A result or an item of a stream, as it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    /// A JSON value, as [`crate::Protocol::decode`] checked or [`crate::Protocol::encode_value`] wrote it.
    Json(&'a [u8]),
    /// A MessagePack value; what came with a message may be broken, which binding finds out.
    MessagePack(&'a [u8]),
}

impl<'a> Value<'a> {
    /// Converts it.
    pub fn bind<T: DeserializeOwned>(&self) -> Result<T, BindError> {
        match self {
            Self::Json(value) => json::bind(value),
            Self::MessagePack(value) => msgpack::bind(value),
        }
    }

    /// Gives its bytes, in its own protocol.
    pub fn as_bytes(&self) -> &'a [u8] {
        match *self {
            Self::Json(value) | Self::MessagePack(value) => value,
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
    /// The arguments are no array, which MessagePack alone leaves to be found out here.
    #[error("Reading array length for 'arguments' failed.")]
    NotAnArray,
    /// A value cannot become what is expected.
    #[error(
        "Error binding arguments. Make sure that the types of the provided values match the types of the hub method being invoked."
    )]
    Conversion {
        /// What is wrong and where: `argument 1: id: invalid type: string "x", expected i32`. It quotes what was sent, and is
        /// no part of the text.
        reason: String,
    },
}

impl BindError {
    /// Says in which part of a value it happened.
    pub(crate) fn within(self, part: impl std::fmt::Display) -> Self {
        match self {
            Self::Conversion { reason } => Self::Conversion { reason: format!("{part}: {reason}") },
            other => other,
        }
    }

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
