//! What each route is for, takes and answers.

use http::Method;
use serde_json::{Value, json};
use signalhub::connections::TransportKind;

use super::requests;
use super::schemas::{self, object, value_list};
use crate::http_api::admin::connections::{DEFAULT_LIMIT, LONGEST_REASON, MOST_ROWS, Sort};
use crate::http_api::admin::routes::Route;
use crate::http_api::admin::subscriptions;
use crate::http_api::open_api::schemas::count;
use crate::http_api::open_api::{batch_outcome, list, parameter, publish_bodies, publish_parameters, reference};

/// The parts of an operation that its route does not tell by itself.
pub(super) struct Described {
    pub(super) summary: &'static str,
    /// The parameters of the query, and headers.
    pub(super) parameters: Value,
    /// The schema of the body.
    pub(super) body: Option<Value>,
    /// Answers without a problem.
    pub(super) answers: Vec<DescribedAnswer>,
}

/// An answer to a request that was not refused.
pub(super) struct DescribedAnswer {
    pub(super) status: &'static str,
    pub(super) description: &'static str,
    /// The content type and the schema of its body, if it has one.
    pub(super) content: Option<(&'static str, Value)>,
}

impl Described {
    /// A route that answers 200 with JSON.
    fn json(summary: &'static str, description: &'static str, schema: Value) -> Self {
        Self::new(summary).answer("200", description, Some(schema))
    }

    fn new(summary: &'static str) -> Self {
        Self { summary, parameters: json!([]), body: None, answers: Vec::new() }
    }

    fn answer(mut self, status: &'static str, description: &'static str, schema: Option<Value>) -> Self {
        let content = schema.map(|schema| ("application/json", schema));
        self.answers.push(DescribedAnswer { status, description, content });
        self
    }

    fn body(self, schema: Value) -> Self {
        Self { body: Some(schema), ..self }
    }

    /// Adds parameters of the query: name, description, schema.
    fn query<const N: usize>(self, parameters: [(&str, &str, Value); N]) -> Self {
        let parameters = parameters.map(|(name, description, schema)| parameter(name, "query", description, &schema));
        Self { parameters: json!(parameters.as_slice()), ..self }
    }
}

/// Describes a route; `None` for one that is not known here, which a test finds.
pub(super) fn of(route: &Route) -> Option<Described> {
    if route.method == Method::GET { shown(route.path) } else { done(&route.method, route.path) }
}

/// Describes a route that shows something.
fn shown(path: &str) -> Option<Described> {
    Some(match path {
        "overview" => {
            Described::json("Shows the state of the node in numbers", "The state of the node", reference("Overview"))
        }
        "cluster" => {
            Described::json("Shows the cluster as this node sees it", "Its nodes and links", reference("Cluster"))
        }
        "connections" => connections(),
        "connections/{id}" => Described::json("Shows one connection", "The connection", reference("ConnectionDetails")),
        "config" => {
            Described::json("Shows the configuration that is used", "All keys, without secrets", value_list("Setting"))
        }
        "events/recent" => recent(),
        "events/tail" => tail(),
        "subscriptions" => subscription_counts(),
        "miskeys" => Described::json("Lists whose keys of PrintFactory there are", "The users", list("MisKey")),
        _ => return None,
    })
}

/// Describes a route that does something, or asks with a body.
fn done(method: &Method, path: &str) -> Option<Described> {
    Some(match (method.as_str(), path) {
        ("DELETE", "connections/{id}") => remove(),
        ("POST", "connections:disconnect") => disconnect(),
        ("POST", "reload") => {
            Described::new("Reads certificates and keys again, as SIGHUP does").answer("202", "It begins", None)
        }
        ("POST", "drain") => {
            Described::new("Begins what SIGTERM begins, without ending the process").answer("202", "It begins", None)
        }
        ("POST", "explain") => explain(),
        ("POST", "publish") => publish(),
        ("POST", "tokens") => tokens(),
        ("POST", "revocations") => Described::new(
            "Revokes one token, or the tokens of a user, and closes their connections, at all nodes of a cluster",
        )
        .body(requests::revocation())
        .answer("204", "They are revoked", None),
        ("POST", "miskeys") => mis_keys(),
        ("PUT", "log") => Described::new("Changes what is logged, for some time").body(requests::log_change()).answer(
            "204",
            "It is changed",
            None,
        ),
        _ => return None,
    })
}

fn text() -> Value {
    json!({ "type": "string" })
}

fn connections() -> Described {
    let mut page = value_list("Connection");
    page["properties"]["next"] =
        json!({ "type": "string", "description": "The `after` of the next page; absent on the last" });
    page["properties"]["missing"] = schemas::missing();
    Described::json("Lists live connections, of all nodes of a cluster", "One page of them", page).query([
        ("user", "Only those of this user", text()),
        ("organisation", "Only those of this organisation", text()),
        ("event", "Only clients of the hub that have subscribed to this event", text()),
        (
            "transport",
            "Only those with this transport",
            json!({ "enum": TransportKind::ALL.map(TransportKind::label) }),
        ),
        (
            "slow",
            "Only those with more than a quarter of their limit queued",
            json!({ "type": "boolean", "default": false }),
        ),
        ("node", "Only those of the node with this name", text()),
        (
            "sort",
            "What they are sorted by, the highest first",
            json!({ "enum": Sort::ALL.map(Sort::as_str), "default": Sort::Age.as_str() }),
        ),
        ("limit", "How many at most", limit(DEFAULT_LIMIT, MOST_ROWS)),
        ("after", "The `next` of the page before", text()),
    ])
}

fn limit(default: usize, most: usize) -> Value {
    json!({ "type": "integer", "minimum": 1, "maximum": most, "default": default })
}

fn remove() -> Described {
    Described::new("Ends one connection").answer("202", "Its client is told, then its transport ends", None).query([
        ("reconnect", "Whether the client may reconnect", json!({ "type": "boolean", "default": false })),
        ("reason", "A text for the client", json!({ "type": "string", "maxLength": LONGEST_REASON })),
    ])
}

fn recent() -> Described {
    let answer = json!({ "oneOf": [value_list("RecentEvent"), reference("RecentEventDetails")] });
    Described::json(
        "Lists the latest events, or shows one of them and who got it",
        "The latest first, or the one",
        answer,
    )
    .query([
        ("event", "The name of the one event", text()),
        ("position", "Its position, given together with its name", text()),
    ])
}

fn tail() -> Described {
    let stream = json!({
        "type": "string",
        "description": "Each event has one TailedEvent as its data; `event: dropped` with `{\"dropped\":n}` stands for those that were left out",
    });
    let mut tail = Described::new("Shows events as they are published").query([
        ("event", "Only events of this name", text()),
        ("organisation", "Only events of this organisation", text()),
        ("user", "Only events that match this user", text()),
        ("sample", "One of this many events", json!({ "type": "integer", "minimum": 1, "default": 1 })),
    ]);
    tail.answers.push(DescribedAnswer {
        status: "200",
        description: "Events, until the client leaves or the server drains",
        content: Some(("text/event-stream", stream)),
    });
    tail
}

fn subscription_counts() -> Described {
    Described::json("Counts subscriptions", "The most subscriptions first", value_list("SubscriptionCount")).query([
        ("by", "What they are counted by", json!({ "enum": ["event", "resource"], "default": "event" })),
        ("limit", "How many at most", limit(subscriptions::DEFAULT_LIMIT, subscriptions::MOST)),
    ])
}

fn publish() -> Described {
    let described = Described::new("Publishes as the system, also if the body names another sender")
        .body(publish_bodies())
        .answer("200", "A batch: for each item its receipt or its problem, in order", Some(batch_outcome()))
        .answer("202", "The notification was published", Some(reference("Receipt")));
    Described { parameters: publish_parameters(), ..described }
}

fn disconnect() -> Described {
    let mut matched = object(json!({ "matched": count() }));
    matched["properties"]["missing"] = schemas::missing();
    let summary = "Ends the connections that match every given one of user, organisation and event";
    Described::json(summary, "How many they are", matched).body(requests::disconnect())
}

fn explain() -> Described {
    let steps = "The steps, in the order in which the server takes them";
    Described::json("Tells why a client gets an event, or does not", steps, reference("Explanation"))
        .body(requests::question())
}

fn tokens() -> Described {
    let expires = json!({ "type": "string", "format": "date-time" });
    let signed = object(json!({ "token": text(), "expires": expires }));
    Described::json("Signs a token for trying the hub out, which may publish nothing", "The token", signed)
        .body(requests::token_request())
}

fn mis_keys() -> Described {
    let key = object(json!({ "key": text() }));
    Described::json("Changes the key of a user of PrintFactory", "The new key, which is not shown again", key)
        .body(requests::key_change())
        .answer("204", "It is changed, and there is no new key", None)
}
