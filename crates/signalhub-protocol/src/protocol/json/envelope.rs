//! Reads a record into a message; the values in it stay raw.

use std::borrow::Cow;

use crate::error::DecodeError;
use crate::json::{Kind, Scanner, SyntaxError, Text, TextError};
use crate::message::{
    CancelInvocation, Close, Completion, Headers, HubMessage, Invocation, Outcome, SequenceId, StreamItem,
};
use crate::value::{Arguments, Value};

/// Reads the first record, which does not end in the first `searched` bytes.
pub(crate) fn decode(input: &[u8], searched: usize) -> Result<Option<(HubMessage<'_>, usize)>, DecodeError> {
    let Some((record, consumed)) = super::first_record(input, searched) else {
        return Ok(None);
    };
    // What follows the closing brace is ignored, as the original does.
    Ok(Some((Envelope::read(record)?.into_message()?, consumed)))
}

/// The names of the properties that any message has.
const PROPERTIES: [&str; 11] = [
    "type",
    "invocationId",
    "target",
    "arguments",
    "streamIds",
    "item",
    "result",
    "error",
    "allowReconnect",
    "sequenceId",
    "headers",
];

/// All properties that any message has; the last one of a name wins.
#[derive(Default)]
struct Envelope<'a> {
    kind: Option<i32>,
    headers: Headers<'a>,
    /// How many there were, in all properties of that name.
    header_count: usize,
    invocation_id: Option<Cow<'a, str>>,
    target: Option<Cow<'a, str>>,
    target_escaped: bool,
    arguments: Option<&'a [u8]>,
    stream_ids: Vec<Cow<'a, str>>,
    item: Option<&'a [u8]>,
    result: Option<&'a [u8]>,
    error: Option<Cow<'a, str>>,
    allow_reconnect: bool,
    sequence_id: Option<i64>,
}

impl<'a> Envelope<'a> {
    fn read(record: &'a [u8]) -> Result<Self, DecodeError> {
        let mut scanner = Scanner::new(record);
        let mut envelope = Self::default();
        open_object(&mut scanner)?;
        let mut first = true;
        while let Some(name) = scanner.next_property(&mut first)? {
            let name = name.known_bytes(&PROPERTIES)?;
            let kind = scanner.kind()?;
            envelope.read_property(&name, kind, &mut scanner)?;
        }
        Ok(envelope)
    }

    fn read_property(&mut self, name: &[u8], kind: Kind, scanner: &mut Scanner<'a>) -> Result<(), DecodeError> {
        match name {
            b"type" => self.kind = Some(read_integer(scanner, kind, "type", "Int32")?),
            b"invocationId" => self.invocation_id = Some(read_string(scanner, kind, "invocationId")?.decode()?),
            b"target" => {
                let text = read_string(scanner, kind, "target")?;
                self.target_escaped = text.is_escaped();
                self.target = Some(text.decode()?);
            }
            b"arguments" if kind != Kind::Array => return Err(misplaced(scanner, kind, "arguments", "Array")),
            b"arguments" => self.arguments = Some(scanner.value()?),
            b"streamIds" => self.stream_ids = read_stream_ids(scanner, kind)?,
            b"item" => self.item = Some(scanner.value()?),
            b"result" => self.result = Some(scanner.spaced_value()?),
            b"error" => self.error = Some(read_string(scanner, kind, "error")?.decode()?),
            b"allowReconnect" => self.allow_reconnect = read_truth(scanner, kind)?,
            b"sequenceId" if kind == Kind::Null => {
                scanner.word(b"null")?;
                self.sequence_id = None;
            }
            b"sequenceId" => self.sequence_id = Some(read_integer(scanner, kind, "sequenceId", "Int64")?),
            b"headers" => self.read_headers(scanner, kind)?,
            _ => {
                scanner.value()?;
            }
        }
        Ok(())
    }

    fn read_headers(&mut self, scanner: &mut Scanner<'a>, kind: Kind) -> Result<(), DecodeError> {
        if kind != Kind::Object {
            return Err(misplaced(scanner, kind, "headers", "StartObject"));
        }
        self.headers = Headers::default();
        scanner.open()?;
        let mut first = true;
        while let Some(name) = scanner.next_property(&mut first)? {
            let name = name.decode()?;
            self.header_count += 1;
            match scanner.kind()? {
                Kind::String if self.header_count > Headers::MAX => return Err(DecodeError::TooManyHeaders),
                Kind::String => self.headers.set(name, scanner.string()?.decode()?),
                kind => {
                    check_scalar(scanner, kind)?;
                    return Err(DecodeError::Header(name.into_owned()));
                }
            }
        }
        Ok(())
    }

    /// Checks what the type of message needs, in the original's order.
    fn into_message(mut self) -> Result<HubMessage<'a>, DecodeError> {
        match self.kind.ok_or(DecodeError::Missing("type"))? {
            1 => self.into_invocation(Self::lacks_in_invocation).map(HubMessage::Invocation),
            2 => self.into_stream_item().map(HubMessage::StreamItem),
            3 => self.into_completion().map(HubMessage::Completion),
            4 => self.into_invocation(Self::lacks_in_stream_invocation).map(HubMessage::StreamInvocation),
            5 => {
                let invocation_id = self.take_id()?;
                Ok(HubMessage::CancelInvocation(CancelInvocation { headers: self.headers, invocation_id }))
            }
            6 => Ok(HubMessage::Ping),
            7 => Ok(HubMessage::Close(Close { error: self.error, allow_reconnect: self.allow_reconnect })),
            8 => self.take_sequence_id().map(HubMessage::Ack),
            9 => self.take_sequence_id().map(HubMessage::Sequence),
            unknown => Ok(HubMessage::Unknown(unknown)),
        }
    }

    /// A stream invocation may lack an id here: its receiver first reports arguments that do not bind.
    fn into_invocation(self, lacks: fn(&Self) -> &'static str) -> Result<Invocation<'a>, DecodeError> {
        let Some(arguments) = self.arguments else {
            return Err(DecodeError::Missing(lacks(&self)));
        };
        Ok(Invocation {
            headers: self.headers,
            invocation_id: self.invocation_id,
            target: self.target.ok_or(DecodeError::Missing("target"))?,
            target_escaped: self.target_escaped,
            arguments: Arguments::Json(arguments),
            stream_ids: self.stream_ids,
        })
    }

    /// Names what an invocation without arguments lacks first; an empty target counts as none then.
    fn lacks_in_invocation(&self) -> &'static str {
        if self.target.as_ref().is_none_or(|target| target.is_empty()) { "target" } else { "arguments" }
    }

    /// Names what a stream invocation without arguments lacks first.
    fn lacks_in_stream_invocation(&self) -> &'static str {
        match (&self.target, &self.invocation_id) {
            (None, _) => "target",
            (Some(_), Some(id)) if !id.is_empty() => "arguments",
            _ => "invocationId",
        }
    }

    fn into_stream_item(self) -> Result<StreamItem<'a>, DecodeError> {
        let invocation_id = self.invocation_id.ok_or(DecodeError::Missing("invocationId"))?;
        let Some(item) = self.item else {
            return Err(DecodeError::Missing(if invocation_id.is_empty() { "invocationId" } else { "item" }));
        };
        Ok(StreamItem { headers: self.headers, invocation_id, item: Value::Json(item) })
    }

    fn into_completion(mut self) -> Result<Completion<'a>, DecodeError> {
        let invocation_id = self.take_id()?;
        let outcome = match (self.error, self.result) {
            (Some(_), Some(_)) => return Err(DecodeError::ErrorAndResult),
            (Some(error), None) => Outcome::Error(error),
            (None, Some(result)) => Outcome::Result(Value::Json(result)),
            (None, None) => Outcome::Void,
        };
        Ok(Completion { headers: self.headers, invocation_id, outcome })
    }

    fn take_id(&mut self) -> Result<Cow<'a, str>, DecodeError> {
        self.invocation_id.take().filter(|id| !id.is_empty()).ok_or(DecodeError::Missing("invocationId"))
    }

    fn take_sequence_id(&self) -> Result<SequenceId, DecodeError> {
        self.sequence_id.map(SequenceId).ok_or(DecodeError::Missing("sequenceId"))
    }
}

/// Consumes the brace of the object that every record is.
pub(crate) fn open_object(scanner: &mut Scanner<'_>) -> Result<(), DecodeError> {
    match scanner.kind()? {
        Kind::Object => Ok(scanner.open()?),
        other => {
            check_scalar(scanner, other)?;
            Err(DecodeError::NotAnObject(other.name()))
        }
    }
}

/// Reads a property that must be a string.
pub(crate) fn read_string<'a>(
    scanner: &mut Scanner<'a>,
    kind: Kind,
    property: &'static str,
) -> Result<Text<'a>, DecodeError> {
    if kind == Kind::String { Ok(scanner.string()?) } else { Err(misplaced(scanner, kind, property, "String")) }
}

/// Reads a property that must be an integer; `width` is the original's name of its type.
pub(crate) fn read_integer<N: std::str::FromStr>(
    scanner: &mut Scanner<'_>,
    kind: Kind,
    property: &'static str,
    width: &'static str,
) -> Result<N, DecodeError> {
    if kind != Kind::Number {
        return Err(misplaced(scanner, kind, property, "Number"));
    }
    let digits = std::str::from_utf8(scanner.number()?).map_err(|_| DecodeError::Syntax)?;
    digits.parse().map_err(|_| DecodeError::OutOfBounds(width))
}

fn read_truth(scanner: &mut Scanner<'_>, kind: Kind) -> Result<bool, DecodeError> {
    match kind {
        Kind::Array | Kind::Object => Err(DecodeError::AllowReconnect),
        _ => match scanner.value()? {
            b"true" => Ok(true),
            b"false" => Ok(false),
            _ => Err(DecodeError::AllowReconnect),
        },
    }
}

fn read_stream_ids<'a>(scanner: &mut Scanner<'a>, kind: Kind) -> Result<Vec<Cow<'a, str>>, DecodeError> {
    if kind != Kind::Array {
        return Err(misplaced(scanner, kind, "streamIds", "Array"));
    }
    let mut ids = Vec::new();
    scanner.open()?;
    let mut first = true;
    while scanner.next_element(&mut first)? {
        let kind = scanner.kind()?;
        if kind == Kind::String {
            ids.push(scanner.string()?.decode()?);
            continue;
        }
        check_scalar(scanner, kind)?;
        return Err(if kind == Kind::Null { DecodeError::NullStreamId } else { DecodeError::StreamId(kind.token()) });
    }
    Ok(ids)
}

/// Gives the error of a value of another kind than the property has.
fn misplaced(scanner: &mut Scanner<'_>, kind: Kind, property: &'static str, wanted: &'static str) -> DecodeError {
    match check_scalar(scanner, kind) {
        Ok(()) => DecodeError::WrongType { property, kind: wanted },
        Err(error) => error.into(),
    }
}

/// Checks the syntax of a misplaced value as far as the original reads it: a whole word, number or string, or a bracket.
fn check_scalar(scanner: &mut Scanner<'_>, kind: Kind) -> Result<(), SyntaxError> {
    if !matches!(kind, Kind::Array | Kind::Object) {
        scanner.value()?;
    }
    Ok(())
}

impl From<SyntaxError> for DecodeError {
    fn from(_: SyntaxError) -> Self {
        Self::Syntax
    }
}

impl From<TextError> for DecodeError {
    fn from(error: TextError) -> Self {
        match error {
            TextError::Utf8 => Self::Utf8,
            TextError::HalfPair => Self::HalfPair,
            TextError::Surrogate(unit) => Self::Surrogate(unit),
        }
    }
}

#[cfg(test)]
mod tests;
