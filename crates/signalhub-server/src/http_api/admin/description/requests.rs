//! The schemas of the bodies that operators send.

use serde_json::{Value, json};
use signalhub::events::Action;

use super::schemas::text;
use crate::http_api::admin::connections::LONGEST_REASON;
use crate::http_api::open_api::reference;
use crate::http_api::open_api::schemas::{described, name, optional_name, time};

/// The body of a disconnect.
pub(super) fn disconnect() -> Value {
    let properties = json!({
        "user": optional_name(),
        "organisation": optional_name(),
        "event": described(optional_name(), "An event that the connection has subscribed to"),
        "reconnect": { "type": "boolean", "default": true },
        "over": { "type": ["string", "null"], "description": "The time over which they end, such as `30s`, at most `1h`" },
        "reason": { "type": ["string", "null"], "maxLength": LONGEST_REASON },
    });
    closed(
        properties,
        json!({ "anyOf": [{ "required": ["user"] }, { "required": ["organisation"] }, { "required": ["event"] }] }),
    )
}

/// The body of a question for an explanation.
pub(super) fn question() -> Value {
    let text = || json!({ "type": ["string", "null"] });
    let properties = json!({
        "event": name(),
        "resource": text(),
        "action": { "enum": Action::ALL.map(Action::as_str).into_iter().map(Some).chain([Some(""), None]).collect::<Vec<_>>() },
        "organisation": text(),
        "user": text(),
        "connection": text(),
        "position": described(text(), "Of one of the latest events, in place of resource, action and organisation"),
    });
    closed(
        properties,
        json!({ "required": ["event"], "anyOf": [{ "required": ["user"] }, { "required": ["connection"] }] }),
    )
}

/// The body of a request for a token.
pub(super) fn token_request() -> Value {
    let grants = json!({ "type": ["array", "null"], "minItems": 1, "items": reference("Grant") });
    let properties = json!({
        "user": name(),
        "organisation": optional_name(),
        "ttl": { "type": ["string", "null"], "description": "Such as `10m`, the default; at most `1h`" },
        "grants": described(grants, "Without them, those of `auth.default_grants`"),
    });
    closed(properties, json!({ "required": ["user"] }))
}

/// The body of a revocation: of one token, or of those of a user.
pub(super) fn revocation() -> Value {
    let properties = json!({
        "user": optional_name(),
        "organisation": described(optional_name(), "Without it, users of this name in every organisation"),
        "before": described(time(), "Tokens that were issued before it; without it, until now"),
        "jti": described(optional_name(), "The id of one token, and then nothing else"),
    });
    closed(properties, json!({ "oneOf": [{ "required": ["user"] }, { "required": ["jti"] }] }))
}

/// The body of a change of keys of PrintFactory.
pub(super) fn key_change() -> Value {
    let changes = ["generate", "regenerate", "cancel", "notifications_on", "notifications_off"];
    let properties = json!({ "organisation": text(), "user": text(), "change": { "enum": changes } });
    closed(properties, json!({ "required": ["organisation", "user", "change"] }))
}

/// The body of a change of the log.
pub(super) fn log_change() -> Value {
    let properties = json!({
        "filter": described(text(), "As `log.level`"),
        "for": described(text(), "A time from `1s` to `24h`, such as `10m`, after which the filter falls back"),
    });
    closed(properties, json!({ "required": ["filter", "for"] }))
}

/// An object that has none but these members, with more conditions.
fn closed(properties: Value, conditions: Value) -> Value {
    let mut object = json!({ "type": "object", "additionalProperties": false });
    object["properties"] = properties;
    if let (Some(object), Value::Object(conditions)) = (object.as_object_mut(), conditions) {
        object.extend(conditions);
    }
    object
}
