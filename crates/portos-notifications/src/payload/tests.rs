use proptest::prelude::*;

use serde_json::Value;

use super::*;

const CANONICAL: &str =
    r#"{"u":{"u":"9","d":"B","f":null},"n":"tickets","a":2,"i":{"i":"x","n":"tickets","v":7},"r":[]}"#;

fn canonical(event: &str, payload: &str) -> Result<Option<CanonicalPayload>, PayloadError> {
    CanonicalPayload::check(event, &RawValue::from_string(payload.to_owned()).unwrap())
}

#[test]
fn payloads_come_out_in_the_documented_form() {
    let check = |payload: &str, expected: &str| {
        let canonical = canonical(RESOURCES_CHANGED, payload).unwrap().unwrap();
        assert_eq!(canonical.payload.get(), expected);
        assert_eq!((canonical.resource.as_deref(), canonical.action), (Some("tickets"), Some(Action::Updated)));
    };
    check(CANONICAL, CANONICAL);
    check(r#"{"n":"tickets","a":2,"i":{"v":7,"n":"tickets","i":"x"},"u":{"d":"B","u":"9"}}"#, CANONICAL);
    check(
        r#"{"r":null,"i":{"v":7,"n":"tickets","i":"x"},"a":3,"n":"tickets","u":{"f":null,"d":"B","u":"9"},"a":2}"#,
        CANONICAL,
    );
    // What Portos does not document follows, nested values as they were given.
    check(
        r#"{ "x" : {"b": 1, "a": 2}, "n":"\u0074ickets","a":2,"i":{"e":"t","v":-7,"n":"","i":""},"u":{"u":"9","d":"B","f":"F","\"":0}, "r" : [ {"z":1,"a":2} ] }"#,
        r#"{"u":{"u":"9","d":"B","f":"F","\"":0},"n":"\u0074ickets","a":2,"i":{"i":"","n":"","v":-7,"e":"t"},"r":[ {"z":1,"a":2} ],"x":{"b": 1, "a": 2}}"#,
    );
}

#[test]
fn errors_say_where_what_was_expected() {
    let check = |from: &str, to: &str, error: &str| {
        let payload = CANONICAL.replacen(from, to, 1);
        assert_ne!(payload, CANONICAL);
        assert_eq!(canonical(RESOURCES_CHANGED, &payload).unwrap_err().to_string(), error);
    };
    let whole = CANONICAL;
    check(whole, "[]", "p: expected an object, found an array");
    check(r#""n""#, r#""N""#, "p.n: expected the name of a resource, found nothing");
    check(r#""n":"tickets""#, r#""n":"""#, "p.n: expected the name of a resource, found an empty string");
    check(r#""n":"tickets""#, r#""n":5"#, "p.n: expected the name of a resource, found 5");
    for (action, found) in [("0", "0"), ("4", "4"), ("1.0", "1.0"), ("\"created\"", "a string"), ("null", "null")] {
        let error = format!("p.a: expected 1 (created), 2 (updated) or 3 (deleted), found {found}");
        check(r#""a":2"#, &format!(r#""a":{action}"#), &error);
    }
    check(r#""a":2,"#, "", "p.a: expected 1 (created), 2 (updated) or 3 (deleted), found nothing");
    check(r#""u":{"u":"9","d":"B","f":null},"#, "", "p.u: expected an object, found nothing");
    check(r#""d":"B""#, r#""d":true"#, "p.u.d: expected a string, found true");
    check(r#""f":null"#, r#""f":{}"#, "p.u.f: expected a string or null, found an object");
    check(r#""i":{"i""#, r#""j":{"i""#, "p.i: expected an object, found nothing");
    check(r#""i":"x""#, r#""i":null"#, "p.i.i: expected a string, found null");
    check(r#""v":7"#, r#""v":7.5"#, "p.i.v: expected an integer, found 7.5");
    check(r#""v":7"#, r#""v":777777777777777777777777"#, "p.i.v: expected an integer, found a number");
    check(r#""r":[]"#, r#""r":{}"#, "p.r: expected an array of objects, found an object");
    check(r#""r":[]"#, r#""r":[{},1]"#, "p.r[1]: expected an object, found 1");
}

#[test]
fn licences_are_objects_and_other_events_are_not_our_concern() {
    let licence = r#"{"shopId":123456, "features":[]}"#;
    assert_eq!(canonical(LICENCE_ACTIVATED, licence).unwrap().unwrap().payload.get(), licence);
    let error = canonical(LICENCE_ACTIVATED, "[]").unwrap_err();
    assert_eq!(error.to_string(), "p: expected a licence object, found an array");
    assert!(canonical("other", "[]").unwrap().is_none());
}

fn json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        (0..5i64).prop_map(|number| number.to_string()),
        "[a-z\"\\\\ž]{0,3}".prop_map(|text| Value::from(text).to_string()),
    ];
    let name = proptest::sample::select(vec!["u", "n", "a", "i", "r", "d", "f", "v", "x"]);
    leaf.prop_recursive(3, 32, 6, move |inner| {
        let member = (name.clone(), inner.clone()).prop_map(|(name, value)| format!("\"{name}\" : {value}"));
        prop_oneof![
            proptest::collection::vec(inner, 0..3).prop_map(|values| format!("[{}]", values.join(" , "))),
            proptest::collection::vec(member, 0..8).prop_map(|members| format!("{{{}}}", members.join(","))),
        ]
    })
}

proptest! {
    #[test]
    fn any_json_is_refused_or_reaches_a_fixed_point(
        [user, info, resources] in [json(), json(), json()],
        whole in json(),
        action in 0..5u8,
    ) {
        let likely = format!(
            r#"{{"r":{resources},"a":{action},"i":{{"v":1,"n":"","i":"","x":{info}}},"u":{{"d":"","u":"","y":{user}}},"n":"n"}}"#
        );
        for payload in [whole, likely] {
            if let Ok(first) = canonical(RESOURCES_CHANGED, &payload) {
                let first = first.unwrap();
                let again = canonical(RESOURCES_CHANGED, first.payload.get()).unwrap().unwrap();
                prop_assert_eq!(first.payload.get(), again.payload.get());
            }
        }
    }
}
