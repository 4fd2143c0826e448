use serde_json::json;

use super::*;

fn names() -> Names {
    let mut names = Names::default();
    for (name, value) in [("id", "abc"), ("token", "abcdef"), ("empty", ""), ("hex", "6162")] {
        names.save(name, value.to_owned());
    }
    names
}

#[test]
fn saved_values_are_put_in() {
    for (text, expanded) in [
        ("/hub?id=${token}&x=${id}", "/hub?id=abcdef&x=abc"),
        ("${unknown} ${empty}|", "${unknown} |"),
        ("${${id}} ${id ${", "${abc} ${id ${"),
        ("$ {id} ${}", "$ {id} ${}"),
    ] {
        assert_eq!(names().expand(text), expanded);
    }
}

#[test]
fn longer_values_are_taken_out_first() {
    assert_eq!(names().collapse("abcdef abc"), "${token} ${id}");
}

#[test]
fn a_name_saved_again_changes_its_value() {
    let mut names = names();
    names.save("id", "new".to_owned());
    assert_eq!(names.expand("${id}"), "new");
    assert_eq!(names.collapse("abc new"), "abc ${id}");
}

#[test]
fn messages_are_json_or_text() {
    for (text, shown) in
        [(r#" {"id":"abc","n":1.0} "#, json!({"id": "${id}", "n": 1.0})), ("abc?", json!("${id}?")), ("{", json!("{"))]
    {
        assert_eq!(names().message(text), shown);
    }
}

#[test]
fn payloads_become_bytes() {
    let bytes = |payload| names().bytes(&payload).ok();
    assert_eq!(bytes(Payload::Text("é${id}".to_owned())), Some("éabc".as_bytes().to_vec()));
    assert_eq!(bytes(Payload::Hex("00fF ${hex}".to_owned())), Some(vec![0, 0xff, 0x61, 0x62]));
    assert_eq!(bytes(Payload::Hex("0".to_owned())), None);
    assert_eq!(bytes(Payload::Hex("zz".to_owned())), None);
    assert_eq!(to_hex(&[0, 0xa1, 0xff]), "00a1ff");
}
