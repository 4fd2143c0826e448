//! Checks the description with an official validator, and against the code of the API.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};

use portos_notifications::members::Members;
use portos_notifications::{AnsweredNodes, Delivered, Receipt, ReceiptScope};
use serde_json::value::RawValue;

use super::*;
use crate::http_api::admin::description;
use crate::http_api::problem::Problem;
use crate::http_api::publish::cloud_event::CloudEvent;
use crate::http_api::publish::publish_body;

#[test]
fn every_problem_and_content_type_is_described() {
    let document = document();
    let publish = &document["paths"]["/api/v1/publish"]["post"];
    let history = &document["paths"]["/api/v1/history"]["get"];
    let codes = document["components"]["schemas"]["Problem"]["properties"]["code"]["enum"].as_array().unwrap();
    assert_eq!(codes.len(), ProblemCode::ALL.len());
    for code in ProblemCode::ALL {
        let is_of = |path: &Value| {
            let description = path["responses"][code.status().as_str()]["description"].as_str();
            description.is_some_and(|description| description.contains(&format!("`{}`", code.code())))
        };
        let of_history = history_route::ONLY_PROBLEMS.contains(code);
        assert_eq!(
            (is_of(publish), is_of(history)),
            (!of_history && !ProblemCode::OF_ADMIN.contains(code), history_route::PROBLEMS.contains(code)),
            "{}",
            code.code()
        );
    }
    for media in MediaType::ALL {
        assert!(publish["requestBody"]["content"][media.name()]["schema"].is_object(), "{}", media.name());
    }
}

/// Holds an object's schema against the code that reads such objects: it describes the members that the code asks for and no others,
/// and calls those required, and those nullable, that the code does. `sample` has every member.
fn check_read(schema: &Value, sample: &Value, asked: &[String], read: impl Fn(&Value) -> Result<(), ProblemCode>) {
    let properties = schema["properties"].as_object().unwrap();
    let asked: BTreeSet<String> = asked.iter().cloned().collect();
    assert_eq!(names(properties), asked, "the members of the schema are those that the code asks for");
    assert_eq!(names(sample.as_object().unwrap()), asked, "the sample has all of them");
    assert_eq!(read(sample), Ok(()), "{sample}");
    for name in &asked {
        let is_required = schema["required"].as_array().is_some_and(|names| names.iter().any(|known| known == name));
        let mut without = sample.clone();
        without.as_object_mut().unwrap().remove(name);
        let expected = if is_required { Err(ProblemCode::MissingMember) } else { Ok(()) };
        assert_eq!(read(&without), expected, "without {name}");
        let mut with_null = sample.clone();
        with_null[name] = Value::Null;
        assert_eq!(read(&with_null).is_ok(), allows_null(&properties[name]), "{name} is null");
    }
}

fn names(object: &Map<String, Value>) -> BTreeSet<String> {
    object.keys().cloned().collect()
}

fn allows_null(schema: &Value) -> bool {
    let is_null = |kind: &Value| kind == "null" || kind.as_array().is_some_and(|kinds| kinds.contains(&"null".into()));
    match (schema.get("oneOf"), schema.get("type"), schema.get("const")) {
        (Some(choices), _, _) => choices.as_array().unwrap().iter().any(|choice| is_null(&choice["type"])),
        (None, Some(kind), _) => is_null(kind),
        (None, None, constant) => constant.is_none(),
    }
}

fn raw(value: &Value) -> Box<RawValue> {
    RawValue::from_string(value.to_string()).unwrap()
}

fn read_body(body: &Value) -> Result<(), ProblemCode> {
    publish_body::read(&raw(body)).map(drop).map_err(|problem| problem.code)
}

/// Returns the members that the reader of publish bodies asks for: it names them when it refuses an unknown one.
fn asked_in(body: &Value) -> Vec<String> {
    let problem = publish_body::read(&raw(body)).unwrap_err();
    assert_eq!(problem.code, ProblemCode::UnknownMember, "{}", problem.detail);
    let (_, known) = problem.detail.split_once("expected ").unwrap();
    known.replace(" or ", ", ").split(", ").map(str::to_owned).collect()
}

#[test]
fn the_schemas_of_a_publish_body_describe_what_its_reader_asks_for() {
    let schemas = schemas::all();
    let user = json!({ "u": "999", "d": "BackOffice", "f": "stock" });
    let sender = json!({ "c": "me", "u": user });
    let body = json!({ "e": "x", "p": 1, "ea": "2030-01-01T00:00:00Z", "org": "north", "s": sender });
    let with = |mut object: Value| {
        object["?"] = 1.into();
        object
    };
    let of_sender = |sender: &Value| json!({ "e": "x", "p": 1, "s": sender });
    let of_user = |user: &Value| of_sender(&json!({ "u": user }));

    type Object<'a> = (&'a Value, &'a Value, Value, &'a dyn Fn(&Value) -> Value);
    let objects: [Object<'_>; 3] = [
        (&schemas["PublishBody"], &body, with(body.clone()), &Value::clone),
        (&schemas["Sender"], &sender, of_sender(&with(sender.clone())), &of_sender),
        (&schemas["Sender"]["properties"]["u"], &user, of_user(&with(user.clone())), &of_user),
    ];
    for (schema, sample, with_unknown, body_of) in objects {
        assert_eq!(schema["additionalProperties"], false);
        check_read(schema, sample, &asked_in(&with_unknown), |object| read_body(&body_of(object)));
    }
}

#[test]
fn the_schema_of_a_cloud_event_describes_what_its_reader_asks_for() {
    let sample = json!({
        "specversion": "1.0", "id": "1", "source": "/shop", "type": "x", "data": {}, "datacontenttype": "application/json",
        "dataschema": "/schema", "subject": "tickets", "time": "2030-01-01T00:00:00Z",
        "expirytime": "2030-01-01T00:00:00Z", "org": "north", "traceparent": 7, "tracestate": 7,
    });
    let given = raw(&sample);
    let mut members = Members::read("", &given).unwrap();
    CloudEvent::take(&mut members).unwrap();
    let asked: Vec<String> = members.asked().iter().map(|name| (*name).to_owned()).collect();
    check_read(&schemas::all()["CloudEvent"], &sample, &asked, |event| {
        CloudEvent::read(&raw(event)).map(drop).map_err(|problem| problem.code)
    });
}

#[test]
fn the_schemas_of_answers_describe_all_their_members() {
    let receipt: Receipt = serde_json::from_str(r#"{"id":"a","position":"b","matched":1}"#).unwrap();
    let mut whole = receipt.clone();
    (whole.durable, whole.delivered) = (true, Some(Delivered::default()));
    (whole.scope, whole.nodes) = (Some(ReceiptScope::Cluster), Some(AnsweredNodes::default()));
    whole.replicated = Some(1);
    let problem = Problem::new(ProblemCode::NotFound, "text");
    let schemas = schemas::all();
    let (of_receipt, of_problem) = (&schemas["Receipt"], &schemas["Problem"]);
    // Of each, the members that it always has, and all that it can have.
    for (schema, least, most) in [
        (of_receipt, json!(receipt), json!(whole)),
        (&of_receipt["properties"]["delivered"], json!(whole.delivered), json!(whole.delivered)),
        (&of_receipt["properties"]["nodes"], json!(whole.nodes), json!(whole.nodes)),
        (of_problem, json!(problem.details()), json!(problem.details())),
    ] {
        let members = |answer: Value| names(answer.as_object().unwrap());
        let required: BTreeSet<String> = serde_json::from_value(schema["required"].clone()).unwrap();
        assert_eq!((required, names(schema["properties"].as_object().unwrap())), (members(least), members(most)));
    }
}

#[test]
fn the_official_validator_finds_nothing_wrong() {
    if Command::new("python3").arg("--version").output().is_err() {
        eprintln!("not run: there is no python3");
        return;
    }
    let program = std::env::current_exe().unwrap();
    // Tests lie in target/debug/deps; the environment beside them is made once.
    let environment = program.ancestors().nth(3).unwrap().join("openapi-spec-validator");
    let validator = environment.join("bin/openapi-spec-validator");
    if let Err(missing) = install(&environment, &validator) {
        eprintln!("not run: openapi-spec-validator could not be installed from PyPI: {missing}");
        return;
    }
    let file = environment.join("openapi.json");
    let (publishers, operators) = (document().to_string(), description::document().to_string());
    for (text, good) in [(&publishers, true), (&operators, true), (&publishers.replace("3.1.0", "3.1.x"), false)] {
        std::fs::write(&file, text).unwrap();
        let output = Command::new(&validator).arg(&file).output().unwrap();
        assert_eq!(output.status.success(), good, "{}", String::from_utf8_lossy(&output.stdout));
    }
}

/// Puts the validator into an environment of its own. The environment is only kept when it answers: one that was left
/// half made is made anew.
fn install(environment: &Path, validator: &Path) -> Result<(), String> {
    if run(Command::new(validator).arg("--help")).is_ok() {
        return Ok(());
    }
    let _ = std::fs::remove_dir_all(environment);
    run(Command::new("python3").args(["-m", "venv"]).arg(environment))?;
    run(Command::new(environment.join("bin/pip")).args(["install", "--quiet", "openapi-spec-validator==0.7.2"]))?;
    run(Command::new(validator).arg("--help"))
}

/// Runs a step of the installation; on failure, returns the last line of its output.
fn run(command: &mut Command) -> Result<(), String> {
    match command.stdin(Stdio::null()).output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => {
            let said = [output.stdout, output.stderr].concat();
            Err(String::from_utf8_lossy(&said).lines().rfind(|line| !line.is_empty()).unwrap_or_default().to_owned())
        }
        Err(error) => Err(error.to_string()),
    }
}
