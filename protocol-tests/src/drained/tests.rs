use serde_json::json;

use super::*;

#[test]
fn pings_are_known_whatever_their_spaces() {
    assert!(is_ping(r#"{"type":6}"#));
    assert!(is_ping(r#"{ "type" : 6 }"#));
    assert!(!is_ping(r#"{"type":6,"x":1}"#));
    assert!(!is_ping(""));
}

#[test]
fn first_and_last_cut_what_was_seen() {
    fn check(fields: Value, kept_numbers: &[i32]) {
        let drain: Drain = serde_json::from_value(fields).unwrap();
        let numbers: Vec<Value> = kept_numbers.iter().map(|n| json!(n)).collect();
        assert_eq!(kept(&drain, vec![json!(1), json!(2), json!(3)]), numbers);
    }
    check(json!({}), &[1, 2, 3]);
    check(json!({"first": 2}), &[1, 2]);
    check(json!({"last": 1}), &[3]);
    check(json!({"first": 2, "last": 1}), &[2]);
    check(json!({"first": 9, "last": 9}), &[1, 2, 3]);
    check(json!({"last": 0}), &[1, 2, 3]);
}
