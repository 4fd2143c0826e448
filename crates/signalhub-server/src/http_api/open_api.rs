//! The OpenAPI 3.1 description of the HTTP API, made of the same definitions as the API itself where there are such.

pub(super) mod schemas;

use std::sync::LazyLock;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response};
use portos_notifications::Wait;
use serde_json::{Map, Value, json};
use signalhub::connections::Body;

use super::problem::ProblemCode;
use super::publish::content::MediaType;
use super::{health, history as history_route, interest as interest_route, publish as publish_route};

/// The path of the description.
pub(crate) const PATH: &str = "/openapi.json";

/// Answers with the description.
pub(crate) fn response() -> Response<Body> {
    static DOCUMENT: LazyLock<Bytes> = LazyLock::new(|| text(&document()));
    with_document(&DOCUMENT)
}

/// The text of a description, which does not change while the program runs.
pub(super) fn text(document: &Value) -> Bytes {
    format!("{document:#}\n").into()
}

/// Answers with the text of a description.
pub(super) fn with_document(text: &Bytes) -> Response<Body> {
    let mut response = Response::new(Body::from(text.clone()));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn document() -> Value {
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "signalhub",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Publishes notifications to the subscribers of a hub, and gives those that were published.",
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "paths": {
            publish_route::PATH: { "post": publish() },
            history_route::PATH: { "get": history() },
            interest_route::PATH: { "get": interest() },
            health::PATH: { "get": {
                "operationId": "health",
                "summary": "Tells that the server is alive",
                "security": [],
                "responses": { "200": { "description": "It is alive", "headers": request_id() } },
            } },
            PATH: { "get": {
                "operationId": "openapi",
                "summary": "Gives this description",
                "security": [],
                "responses": { "200": { "description": "This description", "headers": request_id() } },
            } },
        },
        "components": {
            "schemas": schemas::all(),
            "securitySchemes": {
                "apiKey": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "X-API-Key",
                    "description": "A key of `publish.keys`, or of a client of `publish.clients`, which may be limited to events and organisations",
                },
                "certificate": {
                    "type": "mutualTLS",
                    "description": "The certificate of a client of `publish.clients`, where `tls.client_auth` is set",
                },
                "bearer": { "type": "http", "scheme": "bearer", "bearerFormat": "JWT" },
            },
        },
    })
}

fn publish() -> Value {
    json!({
        "operationId": "publish",
        "summary": "Publishes a notification, or a batch of them item by item",
        "security": [{ "apiKey": [] }, { "bearer": [] }, { "certificate": [] }],
        "parameters": publish_parameters(),
        "requestBody": { "required": true, "content": request_content() },
        "responses": responses(),
    })
}

/// The parameters of a publish.
pub(super) fn publish_parameters() -> Value {
    let waits = Wait::ALL.map(Wait::as_str);
    json!([
        parameter(
            "X-Request-Id",
            "header",
            "The id to find the request by in the log; visible ASCII, at most 128 characters",
            &json!({ "type": "string", "maxLength": 128 }),
        ),
        parameter(
            "traceparent",
            "header",
            "The trace that the publish belongs to (W3C Trace Context). One that is malformed is ignored.",
            &json!({ "type": "string" }),
        ),
        parameter(
            "Idempotency-Key",
            "header",
            "Names the publish, so that a repeat of it publishes nothing; visible ASCII, with or without quotes around it. \
                 The item of a batch has this key, a slash and its place, from 0. CloudEvents have none: their source and id are the key.",
            &json!({ "type": "string", "minLength": 1 }),
        ),
        parameter(
            "wait",
            "query",
            "What the answer waits for: that the event was accepted, is also on the disk, or is written to the clients that get it",
            &json!({ "enum": waits, "default": Wait::default().as_str() }),
        ),
    ])
}

/// A parameter of the query, or a header.
pub(super) fn parameter(name: &str, place: &str, description: &str, schema: &Value) -> Value {
    json!({ "name": name, "in": place, "description": description, "schema": schema })
}

fn request_content() -> Map<String, Value> {
    let schema = |media| match media {
        MediaType::Json => publish_bodies(),
        MediaType::CloudEvent => reference("CloudEvent"),
        MediaType::CloudEventBatch => list("CloudEvent"),
    };
    MediaType::ALL.into_iter().map(|media| (media.name().to_owned(), json!({ "schema": schema(media) }))).collect()
}

/// A notification, or a batch of them.
pub(super) fn publish_bodies() -> Value {
    json!({ "oneOf": [reference("PublishBody"), list("PublishBody")] })
}

/// The answer to a batch: for each item its receipt or its problem.
pub(super) fn batch_outcome() -> Value {
    json!({ "type": "array", "items": { "oneOf": [reference("Receipt"), reference("Problem")] } })
}

/// Refers to a schema of the components.
pub(super) fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// A list of what a schema of the components describes.
pub(super) fn list(name: &str) -> Value {
    json!({ "type": "array", "items": reference(name) })
}

fn history() -> Value {
    let text = json!({ "type": "string", "minLength": 1 });
    let mut event = parameter("event", "query", "The name of the event", &text);
    event["required"] = true.into();
    let (most, default) = (history_route::MOST_EVENTS, history_route::DEFAULT_LIMIT);
    let headers = request_id();
    let content = json!({ "application/json": { "schema": reference("History") } });
    let mut responses = Map::new();
    let answer = json!({ "description": "Events, or a gap", "headers": headers, "content": content });
    responses.insert("200".to_owned(), answer);
    problems(&mut responses, &history_route::PROBLEMS);
    json!({
        "operationId": "history",
        "summary": "Gives the events behind a position",
        "security": [{ "apiKey": [] }, { "bearer": [] }, { "certificate": [] }],
        "parameters": [
            event,
            parameter("since", "query", "The position behind which the events are, or earliest, the default", &text),
            parameter("resource", "query", "Only events about this resource", &text),
            parameter("action", "query", "Only events with this action", &json!({ "enum": ["created", "updated", "deleted"] })),
            parameter(
                "limit",
                "query",
                "How many events at most; 0 for the positions alone",
                &json!({ "type": "integer", "minimum": 0, "maximum": most, "default": default }),
            ),
        ],
        "responses": responses,
    })
}

fn interest() -> Value {
    let text = json!({ "type": "string", "minLength": 1 });
    let mut event = parameter("event", "query", "The name of the event", &text);
    event["required"] = true.into();
    let content = json!({ "application/json": { "schema": reference("Interest") } });
    let mut responses = Map::new();
    let answer = json!({ "description": "How many subscribers", "headers": request_id(), "content": content });
    responses.insert("200".to_owned(), answer);
    problems(&mut responses, &interest_route::PROBLEMS);
    json!({
        "operationId": "interest",
        "summary": "Tells how many subscribers an event would match that was published now, in a cluster at all nodes",
        "security": [{ "apiKey": [] }, { "bearer": [] }, { "certificate": [] }],
        "parameters": [
            event,
            parameter("resource", "query", "The resource that it is about", &text),
            parameter("action", "query", "What happened to it", &json!({ "enum": ["created", "updated", "deleted"] })),
            parameter("organisation", "query", "The only organisation that may see it", &text),
        ],
        "responses": responses,
    })
}

/// The answers to a publish: receipts, and a problem for each status that there is a code for.
fn responses() -> Map<String, Value> {
    let json = |schema: Value| json!({ "application/json": { "schema": schema } });
    let mut responses = Map::new();
    let mut put = |status: &str, description: &str, headers: Value, content: Value| {
        let response = json!({ "description": description, "headers": headers, "content": content });
        responses.insert(status.to_owned(), response);
    };
    let batch = json(batch_outcome());
    put("200", "A batch: for each item its receipt or its problem, in order", request_id(), batch);
    put("202", "The notification was published", request_id(), json(reference("Receipt")));
    let of_publish =
        |code: &ProblemCode| !history_route::ONLY_PROBLEMS.contains(code) && !ProblemCode::OF_ADMIN.contains(code);
    let codes: Vec<ProblemCode> = ProblemCode::ALL.iter().copied().filter(of_publish).collect();
    problems(&mut responses, &codes);
    responses
}

/// Adds a response for each status of these codes.
fn problems(responses: &mut Map<String, Value>, codes: &[ProblemCode]) {
    for code in codes {
        let status = code.status();
        let same = codes.iter().filter(|other| other.status() == status);
        let description: Vec<String> = same.map(|code| format!("`{}`: {}", code.code(), code.title())).collect();
        let mut headers = request_id();
        if matches!(
            code,
            ProblemCode::RateLimited
                | ProblemCode::Unavailable
                | ProblemCode::HistoryUnavailable
                | ProblemCode::BackplaneUnavailable
                | ProblemCode::PublishUnknown
        ) {
            headers["Retry-After"] =
                json!({ "description": "After how many seconds to try again", "schema": { "type": "integer" } });
        }
        let content = json!({ "application/problem+json": { "schema": reference("Problem") } });
        let response = json!({ "description": description.join("; "), "headers": headers, "content": content });
        responses.insert(status.as_str().to_owned(), response);
    }
}

fn request_id() -> Value {
    json!({ "X-Request-Id": { "description": "The id of the request in the log", "schema": { "type": "string" } } })
}

#[cfg(test)]
mod tests;
