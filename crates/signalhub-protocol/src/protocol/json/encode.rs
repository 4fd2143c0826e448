//! Writes messages as records, their properties in the original's order.

use std::borrow::Cow;

use super::RECORD_SEPARATOR;
use crate::json::{write_string, write_value};
use crate::message::{Headers, HubMessage, Invocation, Outcome};
use crate::value::{Arguments, Value};

/// Appends the message as a record with its separator.
pub(crate) fn encode(message: &HubMessage<'_>, out: &mut Vec<u8>) {
    match message {
        HubMessage::Invocation(invocation) => encode_invocation(1, invocation, out),
        HubMessage::StreamItem(item) => {
            begin(2, &item.headers, Some(&item.invocation_id), out);
            out.extend_from_slice(b",\"item\":");
            encode_value(&item.item, out);
        }
        HubMessage::Completion(completion) => {
            begin(3, &completion.headers, Some(&completion.invocation_id), out);
            match &completion.outcome {
                Outcome::Error(error) => property("error", error, out),
                Outcome::Result(result) => {
                    out.extend_from_slice(b",\"result\":");
                    encode_value(result, out);
                }
                Outcome::Void => {}
            }
        }
        HubMessage::StreamInvocation(invocation) => encode_invocation(4, invocation, out),
        HubMessage::CancelInvocation(cancel) => begin(5, &cancel.headers, Some(&cancel.invocation_id), out),
        HubMessage::Ping => begin(6, &Headers::default(), None, out),
        HubMessage::Close(close) => {
            begin(7, &Headers::default(), None, out);
            if let Some(error) = &close.error {
                property("error", error, out);
            }
            if close.allow_reconnect {
                out.extend_from_slice(b",\"allowReconnect\":true");
            }
        }
        HubMessage::Ack(id) => encode_sequence(8, id.0, out),
        HubMessage::Sequence(id) => encode_sequence(9, id.0, out),
        HubMessage::Unknown(kind) => begin(*kind, &Headers::default(), None, out),
    }
    out.extend_from_slice(&[b'}', RECORD_SEPARATOR]);
}

fn encode_invocation(kind: i32, invocation: &Invocation<'_>, out: &mut Vec<u8>) {
    begin(kind, &invocation.headers, invocation.invocation_id.as_ref(), out);
    property("target", &invocation.target, out);
    out.extend_from_slice(b",\"arguments\":");
    match invocation.arguments {
        Arguments::Json(array) => out.extend_from_slice(array),
        Arguments::MessagePack(array) => encode_value(&Value::MessagePack(array), out),
    }
    if !invocation.stream_ids.is_empty() {
        out.extend_from_slice(b",\"streamIds\":");
        let mut separator = b'[';
        for id in &invocation.stream_ids {
            out.push(separator);
            write_string(id, out);
            separator = b',';
        }
        out.push(b']');
    }
}

fn encode_sequence(kind: i32, id: i64, out: &mut Vec<u8>) {
    begin(kind, &Headers::default(), None, out);
    out.extend_from_slice(b",\"sequenceId\":");
    out.extend_from_slice(id.to_string().as_bytes());
}

/// Translates values of other protocols; a value that JSON cannot represent becomes null.
fn encode_value(value: &Value<'_>, out: &mut Vec<u8>) {
    match value {
        Value::Json(value) => out.extend_from_slice(value),
        Value::MessagePack(_) if write_value(value, out).is_ok() => {}
        Value::MessagePack(_) => out.extend_from_slice(b"null"),
    }
}

/// Opens a record: its type, its headers if there are any, its id if it has one.
fn begin(kind: i32, headers: &Headers<'_>, invocation_id: Option<&Cow<'_, str>>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"type\":");
    out.extend_from_slice(kind.to_string().as_bytes());
    if !headers.is_empty() {
        out.extend_from_slice(b",\"headers\":");
        let mut separator = b'{';
        for (name, text) in headers.iter() {
            out.push(separator);
            write_string(name, out);
            out.push(b':');
            write_string(text, out);
            separator = b',';
        }
        out.push(b'}');
    }
    if let Some(id) = invocation_id {
        property("invocationId", id, out);
    }
}

fn property(name: &str, text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
    write_string(text, out);
}

#[cfg(test)]
mod tests;
