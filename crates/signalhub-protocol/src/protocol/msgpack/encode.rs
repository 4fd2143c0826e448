//! Writes messages as arrays behind their lengths (HubProtocol, MessagePack Encoding).

use super::length::write_body;
use crate::message::{Headers, HubMessage, Invocation, Outcome};
use crate::msgpack::format::{Container, FALSE, NIL, TRUE, write_head, write_signed, write_str, write_unsigned};
use crate::msgpack::write_value;
use crate::value::{Arguments, Value};

/// The kinds of completions (HubProtocol, Completion).
pub(super) const ERROR: i32 = 1;
pub(super) const VOID: i32 = 2;
pub(super) const RESULT: i32 = 3;

/// Appends the message with its length in front.
pub(crate) fn encode(message: &HubMessage<'_>, out: &mut Vec<u8>) {
    write_body(out, |out| match message {
        HubMessage::Invocation(invocation) => encode_invocation(1, invocation, out),
        HubMessage::StreamItem(item) => {
            begin(4, 2, &item.headers, out);
            write_str(&item.invocation_id, out);
            encode_value(&item.item, out);
        }
        HubMessage::Completion(completion) => {
            let (items, kind) = match completion.outcome {
                Outcome::Error(_) => (5, ERROR),
                Outcome::Result(_) => (5, RESULT),
                Outcome::Void => (4, VOID),
            };
            begin(items, 3, &completion.headers, out);
            write_str(&completion.invocation_id, out);
            write_signed(kind.into(), out);
            match &completion.outcome {
                Outcome::Error(error) => write_str(error, out),
                Outcome::Result(result) => encode_value(result, out),
                Outcome::Void => {}
            }
        }
        HubMessage::StreamInvocation(invocation) => encode_invocation(4, invocation, out),
        HubMessage::CancelInvocation(cancel) => {
            begin(3, 5, &cancel.headers, out);
            write_str(&cancel.invocation_id, out);
        }
        HubMessage::Ping => encode_numbers(&[6], out),
        HubMessage::Close(close) => {
            write_head(Container::Array, 3, out);
            write_unsigned(7, out);
            match &close.error {
                Some(error) => write_str(error, out),
                None => out.push(NIL),
            }
            out.push(if close.allow_reconnect { TRUE } else { FALSE });
        }
        HubMessage::Ack(id) => encode_numbers(&[8, id.0], out),
        HubMessage::Sequence(id) => encode_numbers(&[9, id.0], out),
        HubMessage::Unknown(kind) => encode_numbers(&[(*kind).into()], out),
    });
}

fn encode_invocation(kind: u64, invocation: &Invocation<'_>, out: &mut Vec<u8>) {
    begin(6, kind, &invocation.headers, out);
    match invocation.invocation_id.as_deref() {
        Some(id) if !id.is_empty() => write_str(id, out),
        _ => out.push(NIL),
    }
    write_str(&invocation.target, out);
    match invocation.arguments {
        Arguments::MessagePack(array) => out.extend_from_slice(array),
        Arguments::Json(array) => encode_value(&Value::Json(array), out),
    }
    write_head(Container::Array, invocation.stream_ids.len(), out);
    for id in &invocation.stream_ids {
        write_str(id, out);
    }
}

/// Translates values of other protocols; a value that MessagePack cannot represent becomes nil.
fn encode_value(value: &Value<'_>, out: &mut Vec<u8>) {
    match value {
        Value::MessagePack(value) => out.extend_from_slice(value),
        Value::Json(_) if write_value(value, out).is_ok() => {}
        Value::Json(_) => out.push(NIL),
    }
}

/// Begins a message of this number of items: its type and its headers.
fn begin(items: usize, kind: u64, headers: &Headers<'_>, out: &mut Vec<u8>) {
    write_head(Container::Array, items, out);
    write_unsigned(kind, out);
    write_head(Container::Map, headers.len(), out);
    for (name, text) in headers.iter() {
        write_str(name, out);
        write_str(text, out);
    }
}

fn encode_numbers(numbers: &[i64], out: &mut Vec<u8>) {
    write_head(Container::Array, numbers.len(), out);
    for number in numbers {
        write_signed(*number, out);
    }
}

#[cfg(test)]
mod tests;
