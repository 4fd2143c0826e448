//! The JSON Schemas of bodies and answers. A test compares them with the code that reads and writes these.

use serde_json::{Value, json};
use signalhub::events::GapReason;

use crate::http_api::problem::ProblemCode;

pub(super) fn all() -> Value {
    json!({
        "PublishBody": publish_body(),
        "Sender": sender(),
        "CloudEvent": cloud_event(),
        "Receipt": receipt(),
        "Interest": interest(),
        "History": history(),
        "HistoryEvent": history_event(),
        "Gap": gap(),
        "Problem": problem(),
    })
}

pub(in crate::http_api) fn publish_body() -> Value {
    json!({
        "type": "object",
        "required": ["e", "p"],
        "additionalProperties": false,
        "properties": {
            "e": described(name(), "The name of the event, of at most 256 bytes"),
            "p": { "description": "The payload, any JSON that the event allows" },
            "ea": described(time(), "When it is no longer worth delivering"),
            "org": described(optional_name(), "The only organisation that may see it"),
            "s": { "description": "Who sent it", "oneOf": [{ "$ref": "#/components/schemas/Sender" }, { "type": "null" }] },
        },
    })
}

pub(in crate::http_api) fn sender() -> Value {
    json!({
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "c": { "type": ["string", "null"], "description": "The connection" },
            "u": {
                "type": ["object", "null"],
                "description": "The user, the device, and the feature that acted",
                "required": ["u", "d"],
                "additionalProperties": false,
                "properties": {
                    "u": { "type": "string" },
                    "d": { "type": "string" },
                    "f": { "type": ["string", "null"] },
                },
            },
        },
    })
}

fn cloud_event() -> Value {
    json!({
        "type": "object",
        "required": ["specversion", "id", "source", "type"],
        "properties": {
            "specversion": { "const": "1.0" },
            "id": described(name(), "Identifies the event together with its source: what repeats both is a repeat"),
            "source": described(name(), "The URI of the source"),
            "type": described(name(), "The name of the event"),
            "data": { "description": "The payload; null when it is absent" },
            "datacontenttype": described(optional_name(), "A content type of JSON"),
            "dataschema": described(optional_name(), "Checked only"),
            "subject": described(optional_name(), "Checked only"),
            "time": described(time(), "Checked only: the server sets the time of creation"),
            "expirytime": described(time(), "When it is no longer worth delivering"),
            "org": described(optional_name(), "The only organisation that may see it"),
            "traceparent": described(json!({}), "The trace of this event, in place of that of the request; ignored if malformed"),
            "tracestate": described(json!({}), "What belongs to `traceparent`; ignored if malformed"),
        },
    })
}

pub(in crate::http_api) fn receipt() -> Value {
    json!({
        "type": "object",
        "required": ["id", "position", "matched", "duplicate"],
        "properties": {
            "id": { "type": "string" },
            "position": { "type": "string", "description": "Its place among the events of its name: epoch and offset" },
            "matched": described(count(), "The subscribers that it went to, on the nodes that `scope` names; 0 if it is a duplicate"),
            "duplicate": { "type": "boolean", "description": "Whether this publish repeats an earlier one, whose id and position these are" },
            "delivered": {
                "type": "object",
                "description": "How many connections it was written to, had ended, or had not taken it; only with wait=delivered",
                "required": ["written", "ended", "waiting"],
                "properties": { "written": count(), "ended": count(), "waiting": count() },
            },
            "durable": { "const": true, "description": "It is on the disk; only with wait=durable" },
            "scope": { "enum": ["node", "cluster"], "description": "Whose subscribers are counted; only in a cluster" },
            "nodes": {
                "type": "object",
                "description": "How many nodes have told their counts in time, and how many there were; only with scope cluster",
                "required": ["answered", "expected"],
                "properties": { "answered": count(), "expected": count() },
            },
            "replicated": described(count(), "How many replicas of Redis have it; only with cluster.wait_replicas"),
        },
    })
}

pub(in crate::http_api) fn count() -> Value {
    json!({ "type": "integer", "minimum": 0 })
}

fn interest() -> Value {
    let receipt = receipt();
    let properties = ["matched", "scope", "nodes"].map(|name| (name.to_owned(), receipt["properties"][name].clone()));
    let properties: serde_json::Map<String, Value> = properties.into_iter().collect();
    json!({ "type": "object", "required": ["matched"], "properties": properties })
}

fn history() -> Value {
    json!({
        "type": "object",
        "required": ["event", "first", "last", "gap", "next", "events"],
        "properties": {
            "event": { "type": "string" },
            "first": described(position(), "From here on every event is kept; behind `last` if none is"),
            "last": described(position(), "The position of the latest event"),
            "gap": { "description": "What is missing behind `since`", "oneOf": [{ "$ref": "#/components/schemas/Gap" }, { "type": "null" }] },
            "next": described(position(), "The `since` of the next request"),
            "events": { "type": "array", "items": { "$ref": "#/components/schemas/HistoryEvent" } },
        },
    })
}

fn history_event() -> Value {
    json!({
        "type": "object",
        "required": ["position", "id", "e", "s", "ca", "ea", "org", "p"],
        "properties": {
            "position": position(),
            "id": { "type": "string" },
            "e": described(name(), "The name of the event"),
            "s": { "type": "object", "description": "Who sent it, complete" },
            "ca": { "type": "string", "format": "date-time", "description": "When it was created" },
            "ea": described(time(), "When it expires"),
            "org": described(optional_name(), "The only organisation that may see it"),
            "p": { "description": "The payload" },
        },
    })
}

fn gap() -> Value {
    json!({
        "type": "object",
        "required": ["from", "first", "reason"],
        "properties": {
            "from": position(),
            "first": position(),
            "reason": { "enum": GapReason::ALL.map(GapReason::as_str) },
        },
    })
}

pub(in crate::http_api) fn position() -> Value {
    json!({ "type": "string", "pattern": "^[0-9a-f]{16}:[0-9]+$" })
}

pub(in crate::http_api) fn problem() -> Value {
    json!({
        "type": "object",
        "description": "A refusal (RFC 9457); what was refused was not published",
        "required": ["status", "code", "title", "detail"],
        "properties": {
            "status": { "type": "integer" },
            "code": {
                "description": remedies(),
                "enum": ProblemCode::ALL.iter().map(|code| code.code()).collect::<Vec<_>>(),
            },
            "title": { "type": "string" },
            "detail": { "type": "string", "description": "What was expected" },
        },
    })
}

/// What to do about each problem.
fn remedies() -> String {
    let lines = ProblemCode::ALL.iter().map(|code| format!("- `{}`: {}", code.code(), code.remedy()));
    lines.collect::<Vec<_>>().join("\n")
}

pub(in crate::http_api) fn name() -> Value {
    json!({ "type": "string", "minLength": 1 })
}

pub(in crate::http_api) fn optional_name() -> Value {
    json!({ "type": ["string", "null"], "minLength": 1 })
}

pub(in crate::http_api) fn time() -> Value {
    json!({ "type": ["string", "null"], "format": "date-time" })
}

pub(in crate::http_api) fn described(mut schema: Value, description: &str) -> Value {
    schema["description"] = description.into();
    schema
}
