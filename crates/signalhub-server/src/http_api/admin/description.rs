//! `/admin/openapi.json`: the OpenAPI 3.1 description of the admin API, made of its table of routes.

use std::sync::LazyLock;

use bytes::Bytes;
use http::{Method, Response};
use serde_json::{Map, Value, json};
use signalhub::connections::Body;

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

fn document() -> Value {
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
            "description": "Shows operators a server and does what they ask for, on the internal listener. What requests and answers hold is on the page about operations.",
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "paths": paths,
        "components": {
            "schemas": { "Problem": {
                "type": "object",
                "required": ["status", "code", "title", "detail"],
                "properties": {
                    "status": { "type": "integer" },
                    "code": { "type": "string" },
                    "title": { "type": "string" },
                    "detail": { "type": "string" },
                },
            } },
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
    let problem = json!({ "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } });
    let mut operation = json!({
        "operationId": id.trim_end_matches('_'),
        "security": security,
        "responses": {
            "2XX": { "description": "What was asked for, or that it is done" },
            "4XX": { "description": "A problem", "content": problem },
            "503": { "description": "The server is not available", "content": problem },
        },
    });
    if route.path.ends_with("{id}") {
        let schema = json!({ "type": "string" });
        operation["parameters"] = json!([{ "name": "id", "in": "path", "required": true, "schema": schema }]);
    }
    if matches!(route.method, Method::POST | Method::PUT) {
        operation["requestBody"] = json!({ "content": { "application/json": { "schema": {} } } });
    }
    operation
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_is_described() {
        let document = document();
        for route in ROUTES {
            let operation = &document["paths"][format!("{PREFIX}{}", route.path)][route.method.as_str().to_lowercase()];
            assert!(operation["operationId"].is_string(), "{} {}", route.method, route.path);
            let is_free = operation["security"].as_array().unwrap().contains(&json!({}));
            assert_eq!(is_free, route.right == Right::Reading, "{} {}", route.method, route.path);
        }
    }
}
