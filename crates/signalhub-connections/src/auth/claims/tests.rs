use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::Claims;

fn claims(object: Value) -> Claims {
    let Value::Object(object) = object else { panic!("no object: {object}") };
    Claims::new(object)
}

#[test]
fn a_claim_is_read_as_the_type_that_is_asked_for() {
    let claims =
        claims(json!({"role": "admin", "level": 3, "teams": ["a", "b"], "none": null, "nested": {"x": {"y": 1}}}));
    assert_eq!(claims.get::<String>("role").unwrap().as_deref(), Some("admin"));
    assert_eq!(claims.get::<u8>("level").unwrap(), Some(3));
    assert_eq!(claims.get::<Vec<String>>("teams").unwrap().unwrap(), ["a", "b"]);
    assert_eq!(claims.get::<Option<u8>>("none").unwrap(), Some(None));
    assert_eq!(claims.get::<Value>("nested").unwrap(), Some(json!({"x": {"y": 1}})));
    for name in ["Role", "rol", "", "x", "y", "role\""] {
        assert_eq!(claims.get::<Value>(name).unwrap(), None, "{name}");
    }
    let error = claims.get::<bool>("level").unwrap_err();
    assert_eq!(
        error.to_string(),
        "the claim \"level\" cannot be read: invalid type: integer `3`, expected a boolean at line 1 column 1"
    );
}

#[test]
fn a_claim_is_added_and_replaced_without_touching_the_others() {
    let mut built = Claims::default();
    for (name, value) in [("b", json!(1)), ("a", json!("x\ny")), ("b", json!([true])), ("a:\"b", json!(null))] {
        built.set(name, &value);
    }
    assert_eq!(built, claims(json!({"a": "x\ny", "b": [true], "a:\"b": null})));
    assert_ne!(built, claims(json!({"a": "x\ny", "b": [true], "a:\"c": null})));
    assert_ne!(built, Claims::default());
    let sorted = [("a".to_owned(), json!("x\ny")), ("a:\"b".to_owned(), json!(null)), ("b".to_owned(), json!([true]))];
    assert_eq!(built.iter().collect::<Vec<_>>(), sorted);
    assert_eq!(built.to_string(), r#"{"a":"x\ny","b":[true],"a:\"b":null}"#);
}

#[test]
fn no_claims_are_an_empty_object() {
    assert_eq!(Claims::new(Map::new()), Claims::default());
    assert_eq!(Claims::default().to_string(), "{}");
    assert_eq!(Claims::default().iter().count(), 0);
    assert_eq!(Claims::default().get::<Value>("a").unwrap(), None);
}

#[test]
fn unread_claims_take_no_more_than_their_text() {
    let claims = claims(json!({"sub": "ann", "exp": 4_000_000_000_u64, "grants": [{"e": "portos.*"}]}));
    assert_eq!(size_of::<Claims>(), size_of::<Box<str>>());
    assert!(claims.0.as_ref().unwrap().len() < claims.to_string().len());
}

proptest! {
    #[test]
    fn any_names_and_values_are_read_back(object in prop::collection::btree_map(any::<String>(), any::<String>(), 0..6)) {
        let map: Map<_, _> = object.iter().map(|(name, text)| (name.clone(), json!({"text": text}))).collect();
        let claims = Claims::new(map.clone());
        prop_assert_eq!(serde_json::from_str::<Map<_, _>>(&claims.to_string()).unwrap(), map.clone());
        for (name, value) in &map {
            prop_assert_eq!(claims.get::<Value>(name).unwrap(), Some(value.clone()));
        }
        prop_assert_eq!(claims.iter().collect::<Map<_, _>>(), map);
    }
}
