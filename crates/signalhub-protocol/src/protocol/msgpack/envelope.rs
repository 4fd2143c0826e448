//! Reads a body into a message; the values in it stay raw.

use std::borrow::Cow;

use super::encode::{ERROR, RESULT, VOID};
use super::length::first_body;
use crate::error::DecodeError;
use crate::message::{
    CancelInvocation, Close, Completion, Headers, HubMessage, Invocation, Outcome, SequenceId, StreamItem,
};
use crate::msgpack::{ScanError, Scanner, Token, format};
use crate::value::{Arguments, Value};

/// Reads the first message.
pub(crate) fn decode(input: &[u8]) -> Result<Option<(HubMessage<'_>, usize)>, DecodeError> {
    let Some((body, consumed)) = first_body(input)? else {
        return Ok(None);
    };
    // What follows the items that are known is ignored, as the original does.
    Ok(Some((Envelope(Scanner::new(body)).read()?, consumed)))
}

/// The items of one message, read in their order.
struct Envelope<'a>(Scanner<'a>);

impl<'a> Envelope<'a> {
    fn read(mut self) -> Result<HubMessage<'a>, DecodeError> {
        let code = self.0.code()?;
        let Token::Array(items) = self.0.token()? else {
            return Err(ScanError::Code(code).into());
        };
        Ok(match self.integer("messageType", "Int32")? {
            1 => HubMessage::Invocation(self.read_invocation(items)?),
            2 => {
                let (headers, invocation_id) = self.headers_and_id("invocation ID for StreamItem message")?;
                HubMessage::StreamItem(StreamItem { headers, invocation_id, item: self.value() })
            }
            3 => HubMessage::Completion(self.read_completion()?),
            4 => HubMessage::StreamInvocation(self.read_stream_invocation(items)?),
            5 => {
                let (headers, invocation_id) = self.headers_and_id("invocation ID for CancelInvocation message")?;
                HubMessage::CancelInvocation(CancelInvocation { headers, invocation_id })
            }
            6 => HubMessage::Ping,
            7 => {
                let error = self.string("error")?;
                let allow_reconnect = items > 2 && self.truth("allowReconnect")?;
                HubMessage::Close(Close { error, allow_reconnect })
            }
            8 => HubMessage::Ack(SequenceId(self.integer("sequenceId", "Int64")?)),
            9 => HubMessage::Sequence(SequenceId(self.integer("sequenceId", "Int64")?)),
            unknown => HubMessage::Unknown(unknown),
        })
    }

    fn read_invocation(mut self, items: usize) -> Result<Invocation<'a>, DecodeError> {
        let headers = self.headers()?;
        let invocation_id = self.string("invocationId")?;
        let target = self.string("target")?;
        let target = not_empty(target, "target for Invocation message")?;
        self.read_call(items, Invocation { headers, invocation_id, ..Invocation::new(target, NO_ARGUMENTS) })
    }

    fn read_stream_invocation(mut self, items: usize) -> Result<Invocation<'a>, DecodeError> {
        let (headers, id) = self.headers_and_id("invocation ID for StreamInvocation message")?;
        let target = self.string("target")?;
        let target = not_empty(target, "target for StreamInvocation message")?;
        self.read_call(items, Invocation { headers, invocation_id: Some(id), ..Invocation::new(target, NO_ARGUMENTS) })
    }

    /// Reads the fields that invocations and stream invocations share. Clients from before client streaming send five items.
    fn read_call(mut self, items: usize, mut invocation: Invocation<'a>) -> Result<Invocation<'a>, DecodeError> {
        let start = self.0.rest();
        match self.pass_arguments() {
            Ok(()) => {
                invocation.arguments = Arguments::MessagePack(&start[..start.len() - self.0.rest().len()]);
                if items > 5 {
                    invocation.stream_ids = self.stream_ids()?;
                }
            }
            // Binding them fails as well, and the caller gets that error. The rest of the message is not read.
            Err(_) => invocation.arguments = Arguments::MessagePack(start),
        }
        Ok(invocation)
    }

    /// Passes over the arguments; each of them may be as deep as any other value.
    fn pass_arguments(&mut self) -> Result<(), ScanError> {
        let code = self.0.code()?;
        let Token::Array(count) = self.0.token()? else {
            return Err(ScanError::Code(code));
        };
        for _ in 0..count {
            self.0.value()?;
        }
        Ok(())
    }

    fn read_completion(mut self) -> Result<Completion<'a>, DecodeError> {
        let (headers, invocation_id) = self.headers_and_id("invocation ID for Completion message")?;
        let outcome = match self.integer::<i32>("resultKind", "Int32")? {
            ERROR => self.string("error")?.map_or(Outcome::Void, Outcome::Error),
            VOID => Outcome::Void,
            RESULT => Outcome::Result(self.value()),
            _ => return Err(DecodeError::ResultKind),
        };
        Ok(Completion { headers, invocation_id, outcome })
    }

    /// Takes the next value, or all remaining bytes if it is malformed: binding it reports the error.
    fn value(&mut self) -> Value<'a> {
        let rest = self.0.rest();
        Value::MessagePack(self.0.value().unwrap_or(rest))
    }

    fn headers_and_id(&mut self, what: &'static str) -> Result<(Headers<'a>, Cow<'a, str>), DecodeError> {
        let headers = self.headers()?;
        let id = self.string("invocationId")?;
        Ok((headers, not_empty(id, what)?))
    }

    fn headers(&mut self) -> Result<Headers<'a>, DecodeError> {
        let Ok(Token::Map(count)) = self.0.token() else {
            return Err(DecodeError::Count { container: "map", item: "headers" });
        };
        if count > Headers::MAX {
            return Err(DecodeError::TooManyHeaders);
        }
        let mut headers = Headers::default();
        for index in 0..count {
            let name = self.text().map_err(|_| DecodeError::HeaderItem { index, part: "Key" })?;
            let name = not_empty(name, "key in header")?;
            let text = self.text().map_err(|_| DecodeError::HeaderItem { index, part: "Value" })?;
            headers.set(name, not_empty(text, "value in header")?);
        }
        Ok(headers)
    }

    fn stream_ids(&mut self) -> Result<Vec<Cow<'a, str>>, DecodeError> {
        let Ok(Token::Array(count)) = self.0.token() else {
            return Err(DecodeError::Count { container: "array", item: "streamIds" });
        };
        let mut ids = Vec::new();
        for _ in 0..count {
            let id = self.text()?;
            ids.push(not_empty(id, "value in streamIds received")?);
        }
        Ok(ids)
    }

    /// Reads an item that is a string or nil.
    fn string(&mut self, item: &'static str) -> Result<Option<Cow<'a, str>>, DecodeError> {
        self.text().map_err(|_| DecodeError::Item { item, kind: "String" })
    }

    /// Reads a string or nil. What is not UTF-8 is replaced, as the original does.
    fn text(&mut self) -> Result<Option<Cow<'a, str>>, ScanError> {
        let code = self.0.code()?;
        match self.0.token()? {
            Token::Str(bytes) => Ok(Some(String::from_utf8_lossy(bytes))),
            Token::Nil => Ok(None),
            _ => Err(ScanError::Code(code)),
        }
    }

    /// Reads an item that is an integer, however wide it was written.
    fn integer<N: TryFrom<u64> + TryFrom<i64>>(
        &mut self,
        item: &'static str,
        kind: &'static str,
    ) -> Result<N, DecodeError> {
        let number = match self.0.token() {
            Ok(Token::Unsigned(number)) => N::try_from(number).ok(),
            Ok(Token::Negative(number)) => N::try_from(number).ok(),
            _ => None,
        };
        number.ok_or(DecodeError::Item { item, kind })
    }

    fn truth(&mut self, item: &'static str) -> Result<bool, DecodeError> {
        match self.0.token() {
            Ok(Token::Truth(truth)) => Ok(truth),
            _ => Err(DecodeError::Item { item, kind: "Boolean" }),
        }
    }
}

const NO_ARGUMENTS: Arguments<'static> = Arguments::MessagePack(&[0x90]);

fn not_empty<'a>(text: Option<Cow<'a, str>>, what: &'static str) -> Result<Cow<'a, str>, DecodeError> {
    text.filter(|text| !text.is_empty()).ok_or(DecodeError::Empty(what))
}

impl From<ScanError> for DecodeError {
    fn from(error: ScanError) -> Self {
        match error {
            ScanError::Code(code) => Self::Code { code, name: format::name(code) },
            // The envelope itself has no nested items.
            ScanError::End | ScanError::Depth => Self::End,
        }
    }
}

#[cfg(test)]
mod tests;
