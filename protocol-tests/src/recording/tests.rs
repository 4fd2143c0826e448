use serde_json::json;

use super::*;

#[test]
fn embedded_recordings_are_complete() {
    let families = Family::embedded().unwrap();
    assert_eq!(families.len(), 17);
    assert_eq!(families.iter().map(|family| family.scenarios.len()).sum::<usize>(), 573);
    let scenarios = || families.iter().flat_map(|family| &family.scenarios);
    for need in scenarios().flat_map(|scenario| &scenario.needs) {
        assert!(crate::NEEDS.contains(&need.as_str()), "{need}");
    }
    let heard: Vec<&str> = scenarios().filter(|s| s.reaches_others).map(|s| s.id.as_str()).collect();
    assert!(heard.contains(&"send/others") && !heard.contains(&"negotiate/get"), "{heard:?}");
}

#[test]
fn other_documents_are_no_families() {
    assert_eq!(Family::parse("x", r#"{"recordings": []}"#).unwrap(), None);
}

#[test]
fn malformed_recordings_say_where() {
    fn check(text: &str, error: &str) {
        let found = Family::parse("x", text).unwrap_err().to_string();
        assert!(found.starts_with(error), "{found}");
    }
    check("[]", "x.json: the document: ");
    check(r#"{"scenarios": {}}"#, "x.json: its list of scenarios: ");
    check(r#"{"scenarios": [{"id": "a/b", "steps": [{"do": "fly"}]}]}"#, "x.json: a/b: unknown variant `fly`");
    check(r#"{"scenarios": [{"steps": []}]}"#, "x.json: a scenario without id: missing field `id`");
}

#[test]
fn steps_are_checked_when_they_are_read() {
    fn check(step: Value, error: &str) {
        let found = serde_json::from_value::<Step>(step).unwrap_err().to_string();
        assert!(found.starts_with(error), "{found}");
    }
    check(json!({"do": "ws.drain"}), "missing field `as`");
    check(json!({"do": "ws.drain", "as": "c", "idle": 5}), "unknown field `idle`");
    check(json!({"do": "ws.drain", "as": "c", "save": {"x": "("}}), "the expression ends inside");
    check(json!({"do": "request"}), "missing field `path`");
    check(json!({"do": "request", "path": "/", "body": {"json": {}}}), "unknown variant `json`");
    check(json!({"as": "c"}), "missing field `do`");
}

#[test]
fn steps_have_defaults() {
    let step: Step = serde_json::from_value(json!({"do": "ws.drain", "as": "c", "only": "a,b"})).unwrap();
    let Action::WsDrain(drain) = step.action else {
        panic!("{:?}", step.action);
    };
    assert_eq!((drain.idle, drain.max), (Duration::from_millis(300), Duration::from_secs(5)));
    assert_eq!(drain.silence(), drain.idle);
    assert_eq!(Drain { first: Some(1), ..drain.clone() }.silence(), Duration::from_millis(1300));
    assert_eq!((step.kind.as_str(), step.connection.as_str(), step.expect), ("ws.drain", "c", None));
    assert_eq!(step.only, Some(vec!["a".to_owned(), "b".to_owned()]));
}
