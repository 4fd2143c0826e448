//! `/admin/openapi.json` describes what the routes of the admin API take and answer.

use std::collections::BTreeSet;

use http::Request;
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};
use signalhub_client::Client;

use crate::admin::{TOKEN, call, start};
use crate::common::{Answer, Running, send};

const EVENT: &str = "portos.resources.changed";

pub(crate) async fn description(node: &Running) -> Value {
    let request = Request::get(format!("{}/admin/openapi.json", node.internal));
    let request = request.header("authorization", format!("Bearer {TOKEN}"));
    send(request.body(Full::default()).unwrap()).await.body
}

/// Tells where a value is not as a schema describes it, in the words of JSON Schema that the description uses. A member that is
/// not described is wrong, too, also where other servers may add some.
fn difference(document: &Value, schema: &Value, value: &Value) -> Result<(), String> {
    let wrong = |what: &str| Err(format!("{what}: {value} is not {schema}"));
    if let Some(name) = schema["$ref"].as_str() {
        let of = document.pointer(name.strip_prefix('#').unwrap()).unwrap_or_else(|| panic!("{name} is not there"));
        return difference(document, of, value);
    }
    let is_type = |name: &str| match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "null" => value.is_null(),
        other => panic!("{other} is no type"),
    };
    let is_any = |types: &Value| match types {
        Value::String(name) => is_type(name),
        types => types.as_array().unwrap().iter().any(|name| is_type(name.as_str().unwrap())),
    };
    if schema.get("type").is_some_and(|types| !is_any(types)) {
        return wrong("type");
    }
    if schema.get("enum").is_some_and(|values| !values.as_array().unwrap().contains(value)) {
        return wrong("enum");
    }
    if schema.get("const").is_some_and(|constant| constant != value) {
        return wrong("const");
    }
    if schema["format"] == "date-time" && value.is_string() && !value.as_str().unwrap().ends_with('Z') {
        return wrong("date-time");
    }
    for (word, allowed) in [("oneOf", 1..=1), ("anyOf", 1..=usize::MAX)] {
        if let Some(choices) = schema.get(word) {
            let differences = choices.as_array().unwrap().iter().map(|choice| difference(document, choice, value));
            let (fit, unfit): (Vec<_>, Vec<_>) = differences.partition(Result::is_ok);
            if !allowed.contains(&fit.len()) {
                return Err(format!("{word}: {} fit; {unfit:?}", fit.len()));
            }
        }
    }
    if let Value::Object(members) = value {
        let required = schema["required"].as_array().into_iter().flatten().map(|name| name.as_str().unwrap());
        if let Some(missing) = required.into_iter().find(|name| !members.contains_key(*name)) {
            return wrong(&format!("{missing} is missing"));
        }
        let open = schema.get("properties").is_none() && schema.get("additionalProperties").is_none();
        for (name, member) in members.iter().filter(|_| !open) {
            match schema["properties"].get(name).or(schema.get("additionalProperties")) {
                None | Some(Value::Bool(_)) => return wrong(&format!("{name} is not described")),
                Some(schema) => difference(document, schema, member).map_err(|error| format!("{name}: {error}"))?,
            }
        }
    }
    if let (Value::Array(items), Some(schema)) = (value, schema.get("items")) {
        items.iter().try_for_each(|item| difference(document, schema, item))?;
    }
    Ok(())
}

fn operation<'a>(document: &'a Value, method: &str, path: &str) -> &'a Value {
    let operation = &document["paths"][format!("/admin/api/v1/{path}")][method.to_lowercase()];
    assert!(operation.is_object(), "{method} {path} is not described");
    operation
}

/// Holds an answer against the response of its status.
pub(crate) fn check_answer(document: &Value, method: &str, path: &str, answer: &Answer) {
    let responses = &operation(document, method, path)["responses"];
    let by_class = format!("{}XX", answer.status.as_u16() / 100);
    let response = responses.get(answer.status.as_str()).or(responses.get(by_class));
    let response = response.unwrap_or_else(|| panic!("{method} {path}: {} is not described", answer.status));
    match response.get("content") {
        None => assert_eq!(answer.text, "", "{method} {path}"),
        Some(content) => {
            let schema = &content[answer.header("content-type")]["schema"];
            assert!(schema.is_object(), "{method} {path}: {}", answer.header("content-type"));
            let checked = difference(document, schema, &answer.body);
            checked.unwrap_or_else(|error| panic!("{method} {path}: {error}"));
        }
    }
}

/// The names in the refusal of an unknown one, behind "expected".
fn expected_names(detail: &str) -> BTreeSet<String> {
    let (_, names) = detail.split_once("expected ").unwrap_or_else(|| panic!("{detail}"));
    let names = names.strip_prefix("one of ").unwrap_or(names);
    let names = names.split(" at line").next().unwrap().replace(" or ", ", ").replace('`', "");
    names.split(", ").map(str::to_owned).collect()
}

fn names_in(members: &Value) -> BTreeSet<String> {
    members.as_object().unwrap().keys().cloned().collect()
}

#[tokio::test]
async fn the_answers_of_all_routes_are_as_described() {
    let keys = std::env::temp_dir().join(format!("signalhub-admin-description-{}.json", std::process::id()));
    let _ = std::fs::remove_file(&keys);
    let dialect = format!("[dialects.printfactory]\nlisten = \"127.0.0.1:0\"\nkeys = {:?}", keys.display().to_string());
    let node = start(&format!("show_payloads = true\n{dialect}")).await;
    let token = node.token(|content| content.organisation = Some("acme".to_owned()));
    let ann = Client::connect(&node.hub(), Some(&token)).await.unwrap();
    let filter = json!({"e": EVENT, "r": [{"n": "tickets"}, {"n": "users", "a": ["created"]}]});
    ann.invoke::<()>("Subscribe", (filter,)).await.unwrap();
    let document = description(&node).await;
    let resource =
        json!({"u": {"u": "1", "d": "d", "f": null}, "n": "tickets", "a": 1, "i": {"i": "1", "n": "tickets", "v": 1}});
    let event = json!({"e": EVENT, "p": resource, "org": "acme"});
    let tail = open_tail(&node).await;
    let receipt = call(&node, "POST", "publish?wait=delivered", Some(TOKEN), &event.to_string()).await;
    check_answer(&document, "POST", "publish", &receipt);
    let tailed = first_event(tail).await;
    difference(&document, &document["components"]["schemas"]["TailedEvent"], &tailed).unwrap();
    let list = call(&node, "GET", "connections", Some(TOKEN), "").await;
    let id = list.body["value"][0]["id"].as_str().unwrap().to_owned();

    let recent = format!("events/recent?event={EVENT}&position={}", receipt.body["position"].as_str().unwrap());
    let key = |change: &str| json!({"organisation": "acme", "user": "mis", "change": change});
    let rows = [
        ("GET", "overview", json!(null), 200),
        ("GET", "cluster", json!(null), 200),
        ("GET", "connections", json!(null), 200),
        ("GET", "connections?limit=0", json!(null), 400),
        ("GET", &format!("connections/{id}"), json!(null), 200),
        ("GET", "connections/none", json!(null), 404),
        ("GET", "config", json!(null), 200),
        ("GET", "events/recent", json!(null), 200),
        ("GET", &recent, json!(null), 200),
        ("GET", "events/tail?sample=0", json!(null), 400),
        ("GET", "subscriptions", json!(null), 200),
        ("GET", "subscriptions?by=resource", json!(null), 200),
        (
            "POST",
            "explain",
            json!({"event": EVENT, "resource": "tickets", "action": "created", "organisation": "acme", "user": "ann"}),
            200,
        ),
        ("POST", "explain", json!({"event": EVENT, "connection": id, "position": receipt.body["position"]}), 200),
        ("POST", "publish", json!([event, {"e": "none", "p": 1}]), 200),
        (
            "POST",
            "tokens",
            json!({"user": "a", "organisation": "b", "ttl": "1m", "grants": [{"e": "*", "r": "x", "a": ["created"]}]}),
            200,
        ),
        ("POST", "miskeys", key("generate"), 200),
        ("POST", "miskeys", key("notifications_off"), 204),
        ("GET", "miskeys", json!(null), 200),
        ("PUT", "log", json!({"filter": "info", "for": "1m"}), 503),
        ("POST", "revocations", json!({"user": "a", "organisation": "b", "before": "2020-01-01T00:00:00Z"}), 204),
        ("POST", "revocations", json!({"jti": "a"}), 204),
        (
            "POST",
            "connections:disconnect",
            json!({"user": "none", "organisation": "acme", "event": EVENT, "reconnect": true, "over": "1s", "reason": "x"}),
            200,
        ),
        ("DELETE", &format!("connections/{id}?reconnect=true&reason=x"), json!({}), 202),
        ("POST", "reload", json!({}), 202),
        ("POST", "drain", json!({}), 202),
    ];
    let mut called = BTreeSet::from(["GET events/tail".to_owned()]);
    for (method, path, body, status) in rows {
        let route = path.split('?').next().unwrap().replace(&id, "{id}").replace("/none", "/{id}");
        if let Some(schema) = operation(&document, method, &route).get("requestBody") {
            let schema = &schema["content"]["application/json"]["schema"];
            difference(&document, schema, &body).unwrap_or_else(|error| panic!("{method} {path}: {error}"));
        }
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let answer = call(&node, method, path, Some(TOKEN), &body).await;
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.text);
        check_answer(&document, method, &route, &answer);
        called.insert(format!("{method} {route}"));
    }
    let described = document["paths"].as_object().unwrap().iter().flat_map(|(path, methods)| {
        let path = path.strip_prefix("/admin/api/v1/").unwrap();
        methods.as_object().unwrap().keys().map(move |method| format!("{} {path}", method.to_uppercase()))
    });
    assert_eq!(called, described.collect(), "every route that is described was called");
    let _ = std::fs::remove_file(&keys);
    node.stop().await;
}

async fn open_tail(node: &Running) -> hyper::body::Incoming {
    let request = Request::get(format!("{}/admin/api/v1/events/tail", node.internal));
    let request = request.header("authorization", format!("Bearer {TOKEN}"));
    let client = hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new())
        .build_http::<Full<bytes::Bytes>>();
    client.request(request.body(Full::default()).unwrap()).await.unwrap().into_body()
}

/// The data of the first event of a tail.
async fn first_event(mut tail: hyper::body::Incoming) -> Value {
    let mut text = String::new();
    loop {
        if let Some((data, _)) = text.split_once("data: ").and_then(|(_, rest)| rest.split_once("\n\n")) {
            return serde_json::from_str(data).unwrap();
        }
        let frame = tail.frame().await.unwrap().unwrap();
        text.push_str(std::str::from_utf8(frame.data_ref().unwrap()).unwrap());
    }
}

#[tokio::test]
async fn the_parameters_and_members_that_routes_take_are_those_described() {
    let node = start("").await;
    let document = description(&node).await;
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let (method, path) = (method.to_uppercase(), path.strip_prefix("/admin/api/v1/").unwrap());
            let parameters = operation["parameters"].as_array().unwrap().iter();
            let in_query = parameters.filter(|parameter| parameter["in"] == "query");
            let described: BTreeSet<String> = in_query.map(|one| one["name"].as_str().unwrap().to_owned()).collect();
            if !described.is_empty() && path != "publish" {
                let answer = call(&node, &method, &format!("{path}?none=1"), Some(TOKEN), "").await;
                assert_eq!(expected_names(answer.body["detail"].as_str().unwrap()), described, "{method} {path}");
            }
            // What a publish takes is described as in the publish API, and tested there; keys of PrintFactory are off here.
            let Some(body) = operation.get("requestBody").filter(|_| !["publish", "miskeys"].contains(&path)) else {
                continue;
            };
            let schema = &body["content"]["application/json"]["schema"];
            let answer = call(&node, &method, path, Some(TOKEN), r#"{"none":1}"#).await;
            assert_eq!(answer.verdict(), "400 invalid_member", "{method} {path}");
            assert_eq!(
                expected_names(answer.body["detail"].as_str().unwrap()),
                names_in(&schema["properties"]),
                "{path}"
            );
            assert_eq!(schema["additionalProperties"], false);
            // A body with none of its members is refused where the schema requires some.
            difference(&document, schema, &json!({})).unwrap_err();
            let answer = call(&node, &method, path, Some(TOKEN), "{}").await;
            assert_eq!(answer.status, 400, "{method} {path}");
        }
    }
    node.stop().await;
}
