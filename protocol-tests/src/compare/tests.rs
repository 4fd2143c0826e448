use serde_json::json;

use super::*;

#[test]
fn differences_are_found_where_they_are() {
    fn check(wanted: &Value, got: &Value, paths: &[&str]) {
        let found: Vec<String> = differences(wanted, got).into_iter().map(|difference| difference.path).collect();
        assert_eq!(found, paths, "{wanted} and {got}");
    }
    check(&json!({"a": 1, "b": [1, "x"]}), &json!({"b": [1, "x"], "a": 1}), &[]);
    check(&json!(1), &json!(1.0), &[""]);
    check(&json!(1), &json!(true), &[""]);
    check(&json!(0), &json!(false), &[""]);
    check(&json!("1"), &json!(1), &[""]);
    check(&json!(12_345_678_901_234_567_890_u64), &json!(12_345_678_901_234_567_891_u64), &[""]);
    check(&json!({"a": null}), &json!({}), &[".a"]);
    check(&json!({}), &json!({"a": null}), &[".a"]);
    check(
        &json!({"a": 1, "b": {"c": [0, {"d": 1}]}}),
        &json!({"a": 2, "b": {"c": [0, {"d": 2}]}}),
        &[".a", ".b.c[1].d"],
    );
    check(&json!({"a": [1, 2]}), &json!({"a": [1]}), &[".a"]);
    check(&json!([]), &json!({}), &[""]);
}

#[test]
fn patterns_describe_whole_texts_only() {
    fn check(wanted: &str, got: &Value, equal: bool) {
        assert_eq!(differences(&json!(wanted), got).is_empty(), equal, "{wanted} and {got}");
    }
    check("<regex>a.*", &json!("abc\n"), true);
    check("<regex>a.*", &json!("xabc"), false);
    check("<regex>1", &json!(1), false);
    check("<regex>(", &json!("("), false);
    check("<REGEX>a", &json!("a"), false);
}

#[test]
fn a_difference_is_shown_with_both_sides() {
    let shown = |wanted, got| differences(&wanted, &got)[0].to_string();
    assert_eq!(shown(json!({"a": 1}), json!({"a": "x"})), ".a\n      wanted 1\n      got    \"x\"");
    assert_eq!(shown(json!({"a": 1}), json!({})), ".a\n      wanted 1\n      got    nothing");
    assert!(shown(json!(1), json!("é".repeat(2000))).ends_with("… (4002 bytes)"));
}
