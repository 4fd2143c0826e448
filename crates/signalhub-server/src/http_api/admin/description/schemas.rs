//! The JSON Schemas of bodies and answers of the admin API. A test holds the answers of a running server against them.

use serde_json::{Value, json};
use signalhub::connections::TransportKind;
use signalhub::events::{Action, StepOutcome};

use crate::http_api::open_api::schemas::{count, described, position, problem, publish_body, receipt, sender, time};
use crate::http_api::open_api::{list, reference};

/// The schemas that operations refer to.
pub(super) fn all() -> Value {
    json!({
        "Overview": overview(),
        "Cluster": cluster(),
        "Rates": rates(),
        "Latency": latency(),
        "Connection": connection(),
        "ConnectionDetails": connection_details(),
        "Subscription": with_resource("n"),
        "Grant": with_resource("r"),
        "Setting": setting(),
        "TailedEvent": event(),
        "RecentEvent": recent_event(),
        "RecentEventDetails": recent_event_details(),
        "SubscriptionCount": subscription_count(),
        "Explanation": explanation(),
        "MisKey": mis_key(),
        "PublishBody": publish_body(),
        "Sender": sender(),
        "Receipt": receipt(),
        "Problem": problem(),
    })
}

/// An object that always has all of these members.
pub(super) fn object(properties: Value) -> Value {
    let required: Vec<&String> = properties.as_object().into_iter().flat_map(|properties| properties.keys()).collect();
    let mut object = json!({ "type": "object", "required": required });
    object["properties"] = properties;
    object
}

/// An object whose member `value` is a list.
pub(super) fn value_list(of: &str) -> Value {
    object(json!({ "value": list(of) }))
}

/// Adds members that may be absent.
fn with_optional(mut object: Value, optional: Value) -> Value {
    if let (Some(properties), Value::Object(optional)) = (object["properties"].as_object_mut(), optional) {
        properties.extend(optional);
    }
    object
}

/// Adds members that are always there.
fn with(base: Value, more: Value) -> Value {
    let more = object(more);
    let mut required = base["required"].as_array().cloned().unwrap_or_default();
    required.extend(more["required"].as_array().cloned().unwrap_or_default());
    let mut joined = with_optional(base, more["properties"].clone());
    joined["required"] = required.into();
    joined
}

fn number() -> Value {
    json!({ "type": "number", "minimum": 0 })
}

fn optional_number() -> Value {
    json!({ "type": ["number", "null"], "minimum": 0 })
}

pub(super) fn text() -> Value {
    json!({ "type": "string" })
}

fn moment() -> Value {
    json!({ "type": "string", "format": "date-time" })
}

fn actions() -> Value {
    json!({ "type": "array", "items": { "enum": Action::ALL.map(Action::as_str) } })
}

fn cluster() -> Value {
    let counts = json!({ "type": "object", "additionalProperties": count() });
    let node = object(json!({
        "name": text(),
        "boot": described(text(), "Differs each time the node is started"),
        "address": { "type": ["string", "null"], "description": "Where it accepts the requests of other nodes" },
        "started": described(moment(), "By its own clock"),
        "hub": described(text(), "The name of its hub in the channels (`cluster.hub`)"),
        "formats": { "type": "array", "items": count(), "description": "The formats of events that it reads" },
    }));
    let node = with_optional(
        node,
        json!({
            "version": described(text(), "This and what follows it are absent if the node did not answer"),
            "state": { "enum": ["member", "severed", "leaving"] },
            "connections": count(),
            "suspended": described(count(), "Those whose client is away and may come back"),
            "subscriptions": count(),
            "queued_bytes": count(),
        }),
    );
    let link = json!({ "enum": ["connected", "disconnected", "unused"] });
    let links = object(json!({
        "redis": described(text(), "The address of the server, without a password"),
        "commands": link,
        "reader": link,
        "channels": link,
        "since": object(json!({ "commands": moment(), "reader": moment(), "channels": moment() })),
    }));
    let lag = json!({
        "oneOf": [object(json!({ "10s": reference("Latency"), "60s": reference("Latency") })), { "type": "null" }],
        "description": "Seconds from the creation of events until this node has read them; null without a cluster",
    });
    let state = json!({
        "enum": ["alone", "member", "severed", "leaving"],
        "description": "`alone` without a cluster; `severed` while a link to Redis is lost, or another node has the name of this one",
    });
    object(json!({
        "state": state,
        "node": described(text(), "The name of this node"),
        "nodes": { "type": "array", "items": node, "description": "The nodes that are present, this one included" },
        "missing": missing(),
        "lag": lag,
        "events": shared_events(),
        "links": { "type": "array", "items": links, "description": "The links to each Redis server" },
        "forwards": described(counts.clone(), "Requests that were forwarded to other nodes, by kind"),
        "forward_failures": described(counts.clone(), "Requests that could not be forwarded, by node"),
        "refused_forwards": described(counts, "Requests on `cluster.listen` that were refused, by reason"),
        "lost_claims": described(count(), "Connections that were ended because another node had claimed them"),
        "claims": described(count(), "Connections that this node has claimed"),
        "unclaimed": described(count(), "Connections that it will claim when Redis is back"),
    }))
}

fn shared_events() -> Value {
    let events = object(json!({
        "names": described(count(), "Event names that have a history"),
        "read": described(count(), "Events that were read from Redis"),
        "forks": described(count(), "How often Redis came back with another past of an event name"),
        "gaps": described(count(), "How often events of a name could not be read any more"),
        "publish_retries": described(count(), "Publishes to Redis that were tried again"),
    }));
    json!({ "oneOf": [events, { "type": "null" }], "description": "Null without a cluster" })
}

/// The names of nodes that did not answer.
pub(super) fn missing() -> Value {
    json!({ "type": "array", "items": text(), "description": "The nodes of the cluster that did not answer in time" })
}

fn overview() -> Value {
    let counts = json!({ "type": "object", "additionalProperties": count() });
    let windows = |name: &str| object(json!({ "10s": reference(name), "60s": reference(name) }));
    let transports: serde_json::Map<String, Value> =
        TransportKind::ALL.iter().map(|kind| (kind.label().to_owned(), count())).collect();
    let connections = object(json!({
        "active": count(),
        "suspended": described(count(), "Those whose client is away and may come back"),
        "waiting": described(count(), "Those that were negotiated and have no transport yet"),
        "by_transport": object(transports.into()),
        "by_protocol": described(counts.clone(), "By hub protocol, or name of the dialect, after the handshake"),
    }));
    let descriptors = json!({
        "type": ["object", "null"],
        "description": "Open files and sockets; null where the system does not tell",
        "required": ["open", "limit"],
        "properties": { "open": count(), "limit": { "type": ["integer", "null"], "minimum": 0 } },
    });
    let always = object(json!({
        "node": text(),
        "version": text(),
        "uptime_seconds": number(),
        "phase": { "enum": ["serving", "leaving", "draining"] },
        "connections": connections,
        "subscriptions": count(),
        "published_total": count(),
        "matched_total": count(),
        "rates": windows("Rates"),
        "latency": windows("Latency"),
        "queued_bytes": count(),
        "slow": described(count(), "Connections with more than a quarter of their limit queued"),
        "refusals": described(counts, "How many, by the limit or the reason"),
        "memory": {
            "type": ["integer", "null"],
            "minimum": 0,
            "description": "Resident bytes; null where the system does not tell",
        },
        "fds": descriptors,
    }));
    let sometimes = json!({
        "certificate_expires": described(moment(), "Only with TLS"),
        "cluster": {
            "enum": ["member", "severed", "leaving"],
            "description": "The state of the node in its cluster; absent without one",
        },
        "not_ready": described(text(), "Why the server is not ready although it serves"),
    });
    with_optional(always, sometimes)
}

fn rates() -> Value {
    described(object(json!({ "published": number(), "deliveries": number(), "connects": number() })), "A second")
}

fn latency() -> Value {
    let [p50, p90, p99, max] = [(); 4].map(|()| optional_number());
    let latency = object(json!({ "p50": p50, "p90": p90, "p99": p99, "max": max }));
    described(latency, "Seconds; null if there was nothing")
}

fn connection() -> Value {
    let subscriptions = described(count(), "Absent before the handshake, and for connections of dialects");
    with_optional(any_connection(), json!({ "subscriptions": subscriptions, "node": node_name() }))
}

fn node_name() -> Value {
    described(text(), "The node that has it; only in a cluster")
}

/// What is told of a connection in a list and of one alone.
fn any_connection() -> Value {
    object(json!({
        "id": described(text(), "`(secret)` if the id is also the token"),
        "user": { "type": ["string", "null"] },
        "organisation": { "type": ["string", "null"] },
        "transport": { "enum": TransportKind::ALL.map(TransportKind::label) },
        "protocol": {
            "type": ["string", "null"],
            "description": "`json`, `messagepack`, or the name of the dialect; null before the handshake",
        },
        "address": { "type": ["string", "null"] },
        "since": moment(),
        "idle_seconds": optional_number(),
        "sent": described(count(), "Bytes"),
        "received": described(count(), "Bytes"),
        "deliveries": described(count(), "Events that were written to the client"),
        "queued_bytes": count(),
        "queued_oldest_seconds": described(optional_number(), "How long the first message has waited; null if none does"),
        "expires": time(),
        "stateful": { "type": "boolean", "description": "Whether its client may lose its transport and come back" },
    }))
}

fn connection_details() -> Value {
    let groups = json!({ "type": "array", "items": text() });
    let own = json!({ "subscriptions": list("Subscription"), "grants": list("Grant"), "groups": groups });
    with_optional(with(any_connection(), own), json!({ "node": node_name() }))
}

/// An event, a resource and actions, of which the latter may be absent and then stand for any.
fn with_resource(resource: &str) -> Value {
    let mut optional = json!({ "a": actions() });
    optional[resource] = described(text(), "The resource; absent for any");
    with_optional(object(json!({ "e": described(text(), "The event") })), optional)
}

fn setting() -> Value {
    object(json!({
        "key": text(),
        "value": { "description": "As in the file, `\"***\"` for a secret; null if there is none" },
        "source": text(),
    }))
}

fn event() -> Value {
    let sender = json!({ "oneOf": [reference("Sender"), { "type": "null" }] });
    let always = object(json!({
        "position": position(),
        "event": text(),
        "org": { "type": ["string", "null"] },
        "resource": { "type": ["string", "null"] },
        "action": { "enum": Action::ALL.map(|action| Some(action.as_str())).into_iter().chain([None]).collect::<Vec<_>>() },
        "matched": count(),
        "bytes": described(count(), "The length of the payload"),
        "sender": sender,
        "trace_id": { "type": ["string", "null"] },
    }));
    with_optional(always, json!({ "payload": { "description": "Only with `admin.show_payloads`" } }))
}

fn recent_event() -> Value {
    with(event(), json!({ "published": moment() }))
}

fn recent_event_details() -> Value {
    let client = object(json!({ "connection": text(), "user": { "type": ["string", "null"] } }));
    let clients = json!({ "type": "array", "items": client, "description": "Those that it matched" });
    let own = json!({
        "connections": clients,
        "ended": described(count(), "How many of those that it matched have ended since"),
        "not_remembered": described(count(), "How many it matched beyond those that are remembered"),
    });
    with(recent_event(), own)
}

fn subscription_count() -> Value {
    let always = object(json!({ "event": text(), "subscriptions": count(), "matched_60s": count() }));
    with_optional(always, json!({ "resource": described(text(), "Absent by event, and for any resource") }))
}

fn explanation() -> Value {
    let outcomes = [StepOutcome::Pass, StepOutcome::Fail, StepOutcome::Skip].map(StepOutcome::as_str);
    let step = with_optional(
        object(json!({ "step": text(), "outcome": { "enum": outcomes } })),
        json!({
            "connection": text(),
            "detail": text(),
            "node": described(text(), "The node that tells it; only in a cluster"),
        }),
    );
    let always = object(json!({
        "delivered": { "type": "boolean", "description": "Whether at least one connection gets the event" },
        "steps": { "type": "array", "items": step },
    }));
    with_optional(always, json!({ "missing": missing() }))
}

fn mis_key() -> Value {
    object(json!({
        "organisation": text(),
        "user": text(),
        "notifications": { "enum": ["on", "off"] },
        "created": moment(),
    }))
}
