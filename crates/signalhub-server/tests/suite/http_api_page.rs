//! `docs/http-api.md` is made of the descriptions that the server gives of its HTTP APIs.

use std::fmt::Write as _;
use std::path::PathBuf;

use http::Request;
use http_body_util::Full;
use serde_json::Value;

use crate::admin::{TOKEN, start};
use crate::common::send;

const PAGE: &str = include_str!("../../../../docs/http-api.md");

const HEAD: &str = "\
# HTTP APIs

This page is made of the descriptions that the server gives of its APIs, `/openapi.json` and `/admin/openapi.json`; a test compares them.
[Publishing](publishing.md) and [operations](operations.md#admin-api) tell how the APIs are used, and [problems](problems.md) lists the errors.
";

#[tokio::test]
async fn the_page_of_the_http_apis_is_what_the_descriptions_say() {
    let node = start("").await;
    let get = |url: String| async {
        let request = Request::get(url).header("authorization", format!("Bearer {TOKEN}"));
        send(request.body(Full::default()).unwrap()).await.body
    };
    let publish = get(format!("{}/openapi.json", node.publish_url)).await;
    let admin = get(format!("{}/admin/openapi.json", node.internal)).await;
    let mut page = String::from(HEAD);
    add_api(&mut page, "Publish API", "On `listen.public`, or on `publish.listen` if that is set.", &publish);
    add_api(&mut page, "Admin API", "On `listen.internal`, for operators.", &admin);
    node.stop().await;
    if page != PAGE {
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("http-api.md");
        std::fs::write(&path, page).unwrap();
        panic!("docs/http-api.md is not what the server describes; what it should be is in {}", path.display());
    }
}

/// Adds the routes and the objects of an API.
fn add_api(page: &mut String, name: &str, place: &str, description: &Value) {
    write!(page, "\n## {name}\n\n{place}\n").unwrap();
    for (path, methods) in members(&description["paths"]) {
        for (method, operation) in members(methods) {
            add_operation(page, &format!("{} {path}", method.to_uppercase()), operation);
        }
    }
    for (object, schema) in members(&description["components"]["schemas"]) {
        write!(page, "\n### Object `{object}`\n\n").unwrap();
        if let Some(text) = schema["description"].as_str() {
            write!(page, "{text}\n\n").unwrap();
        }
        let mut rows = String::new();
        add_rows(&mut rows, "", schema);
        if rows.is_empty() {
            writeln!(page, "{}", shape(schema)).unwrap();
        } else {
            write!(page, "| member | | meaning |\n|---|---|---|\n{rows}").unwrap();
        }
    }
}

/// Adds a route with a method: its parameters, what it takes, and its answers.
fn add_operation(page: &mut String, title: &str, operation: &Value) {
    write!(page, "\n### {title}\n\n{}.\n", text(&operation["summary"])).unwrap();
    let parameters = operation["parameters"].as_array().map(Vec::as_slice).unwrap_or_default();
    if !parameters.is_empty() {
        page.push_str("\n| parameter | in | | meaning |\n|---|---|---|---|\n");
    }
    for parameter in parameters {
        let (name, place) = (text(&parameter["name"]), text(&parameter["in"]));
        let required = if parameter["required"] == true { ", required" } else { "" };
        let (shape, meaning) = (shape(&parameter["schema"]), cell(&parameter["description"]));
        writeln!(page, "| `{name}` | {place} | {shape}{required} | {meaning} |").unwrap();
    }
    let contents = members(&operation["requestBody"]["content"]);
    if !contents.is_empty() {
        page.push_str("\n| body | |\n|---|---|\n");
    }
    for (kind, content) in contents {
        writeln!(page, "| `{kind}` | {} |", shape(&content["schema"])).unwrap();
    }
    page.push_str("\n| answer | meaning | content |\n|---|---|---|\n");
    for (status, answer) in members(&operation["responses"]) {
        let shapes: Vec<String> =
            members(&answer["content"]).iter().map(|(_, content)| shape(&content["schema"])).collect();
        writeln!(page, "| {status} | {} | {} |", cell(&answer["description"]), shapes.join(" or ")).unwrap();
    }
}

/// Adds a row for each member of an object, and for those of the objects in it.
fn add_rows(rows: &mut String, prefix: &str, schema: &Value) {
    let required = schema["required"].as_array().map(Vec::as_slice).unwrap_or_default();
    for (name, member) in members(&schema["properties"]) {
        let required = if required.iter().any(|known| known == name) { "" } else { ", may be absent" };
        let (shape, meaning) = (shape(member), cell(&member["description"]));
        writeln!(rows, "| `{prefix}{name}` | {shape}{required} | {meaning} |").unwrap();
        add_rows(rows, &format!("{prefix}{name}."), member);
        add_rows(rows, &format!("{prefix}{name}[]."), &member["items"]);
    }
}

/// Tells in words what a schema permits.
fn shape(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(|name| name.rsplit('/').next()) {
        return format!("`{name}`");
    }
    let each = |list: &Value, of: &dyn Fn(&Value) -> String| {
        list.as_array().map(|list| list.iter().map(of).collect::<Vec<_>>().join(" or "))
    };
    if let Some(shapes) = each(&schema["oneOf"], &shape).or_else(|| each(&schema["anyOf"], &shape)) {
        return shapes;
    }
    if let Some(values) = each(&schema["enum"], &|value| format!("`{}`", plain(value))) {
        return values;
    }
    if schema["items"].is_object() {
        return format!("list of {}", shape(&schema["items"]));
    }
    if schema["additionalProperties"].is_object() {
        return format!("object of {} by name", shape(&schema["additionalProperties"]));
    }
    each(&schema["type"], &plain).unwrap_or_else(|| schema["type"].as_str().unwrap_or("any value").to_owned())
}

/// Returns a value without the quotes of a string.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Returns a text as it stands in a cell of a table.
fn cell(value: &Value) -> String {
    text(value).replace('|', "\\|").replace('\n', " ")
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn members(value: &Value) -> Vec<(&String, &Value)> {
    value.as_object().map(|members| members.iter().collect()).unwrap_or_default()
}
