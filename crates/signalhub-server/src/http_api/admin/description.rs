//! `/admin/openapi.json`: the OpenAPI 3.1 description of the admin API, made of its table of routes.

mod operations;
mod requests;
mod schemas;

use std::sync::LazyLock;

use bytes::Bytes;
use http::Response;
use serde_json::{Map, Value, json};
use signalhub::connections::Body;

use self::operations::DescribedAnswer;
use super::PREFIX;
use super::access::Right;
use super::routes::{ROUTES, Route};
use crate::http_api::open_api;

/// The path of the description.
pub(in crate::http_api) const PATH: &str = "/admin/openapi.json";

/// Answers with the description.
pub(super) fn response() -> Response<Body> {
    static DOCUMENT: LazyLock<Bytes> = LazyLock::new(|| open_api::text(&document()));
    open_api::with_document(&DOCUMENT)
}

/// The description as JSON.
pub(in crate::http_api) fn document() -> Value {
    let mut paths = Map::new();
    for route in ROUTES {
        let path = paths.entry(format!("{PREFIX}{}", route.path)).or_insert_with(|| json!({}));
        path[route.method.as_str().to_lowercase()] = operation(route);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "signalhub admin API",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Shows operators a server and does what they ask for, on the internal listener.",
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "paths": paths,
        "components": {
            "schemas": schemas::all(),
            "securitySchemes": { "adminToken": { "type": "http", "scheme": "bearer", "description": "The token of `admin.token`" } },
        },
    })
}

fn operation(route: &Route) -> Value {
    let words = route.path.replace(['/', ':', '{', '}'], "_");
    let id = format!("{}_{words}", route.method.as_str().to_lowercase());
    let token = json!({ "adminToken": [] });
    // Reading may need no token: that depends on the configuration.
    let security = match route.right {
        Right::Reading => json!([{}, token]),
        Right::Acting => json!([token]),
    };
    let mut operation = json!({
        "operationId": id.trim_end_matches('_'),
        "security": security,
        "parameters": [],
        "responses": {
            "421": { "description": "The `Host` is none that the internal listener has" },
            "4XX": problem("The request is refused"),
            "503": problem("The server is not available"),
        },
    });
    if let Some(described) = operations::of(route) {
        operation["summary"] = described.summary.into();
        operation["parameters"] = described.parameters;
        if let Some(schema) = described.body {
            operation["requestBody"] =
                json!({ "required": true, "content": { "application/json": { "schema": schema } } });
        }
        for DescribedAnswer { status, description, content } in described.answers {
            operation["responses"][status]["description"] = description.into();
            if let Some((media, schema)) = content {
                operation["responses"][status]["content"][media]["schema"] = schema;
            }
        }
    }
    if route.path.ends_with("{id}")
        && let Some(parameters) = operation["parameters"].as_array_mut()
    {
        let schema = json!({ "type": "string" });
        let id =
            json!({ "name": "id", "in": "path", "required": true, "description": "Its public id", "schema": schema });
        parameters.push(id);
    }
    operation
}

fn problem(description: &str) -> Value {
    let content = json!({ "application/problem+json": { "schema": open_api::reference("Problem") } });
    json!({ "description": description, "content": content })
}

#[cfg(test)]
mod tests;
