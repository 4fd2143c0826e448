use time::macros::datetime;

use super::*;
use crate::{Action, UserIdentity};

#[test]
fn bodies_are_what_the_publish_api_documents() {
    let changed = ResourceChanged::new("tickets", Action::Deleted, "573f", 7)
        .with_user(UserIdentity::new("999", "BackOffice").with_feature("stock"))
        .with_organisation("north")
        .with_expires(datetime!(2024-07-01 14:00 +2));
    let changed = changed.with_resource(&serde_json::json!({"id": "573f"})).unwrap();
    let json = changed.publish_body().unwrap().to_json();
    assert_eq!(
        json,
        concat!(
            r#"{"e":"portos.resources.changed","p":{"u":{"u":"999","d":"BackOffice","f":"stock"},"n":"tickets","a":3,"#,
            r#""i":{"i":"573f","n":"tickets","v":7},"r":[{"id":"573f"}]},"ea":"2024-07-01T12:00:00.000Z","org":"north"}"#,
        )
    );
    assert_eq!(PublishBody::from_json(&json).unwrap().to_json(), json);

    let activated = LicenceActivated::new(&serde_json::json!({"shopId": 123456})).unwrap();
    let json = r#"{"e":"portos.licence.activated","p":{"shopId":123456},"ea":null}"#;
    assert_eq!(activated.publish_body().unwrap().to_json(), json);
}

#[test]
fn what_the_api_would_refuse_is_refused_before() {
    let activated = LicenceActivated::new(&"no object").unwrap();
    assert_eq!(activated.publish_body().unwrap_err().to_string(), "p: expected a licence object, found a string");
    let changed = ResourceChanged::new("", Action::Created, "573f", 7);
    assert!(changed.publish_body().is_err());
}

#[test]
fn bodies_with_missing_or_unknown_members_are_refused() {
    let check = |json: &str, error: &str| {
        let answer = PublishBody::from_json(json).unwrap_err().to_string();
        assert!(answer.starts_with(error), "{answer}");
    };
    check(r#"{"p":{}}"#, "missing field `e`");
    check(r#"{"e":"x"}"#, "missing field `p`");
    check(r#"{"e":"x","p":{},"expires":null}"#, "unknown field `expires`, expected one of `e`, `p`, `ea`, `org`");
    check(r#"{"e":"x","p":{},"ea":"soon"}"#, r#"invalid value: string "soon", expected a time"#);
}
