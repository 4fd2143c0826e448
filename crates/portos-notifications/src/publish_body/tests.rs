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
    assert_eq!(read(&json).unwrap().to_json(), json);

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
fn a_sender_is_written_as_far_as_it_is_given_and_completed_by_the_node() {
    let sender = |json: &str| {
        let json = format!(r#"{{"e":"x","p":1,"ea":null,"s":{json}}}"#);
        let body = read(&json).unwrap();
        assert_eq!(body.to_json(), json);
        serde_json::to_string(&body.sender.unwrap().complete("node")).unwrap()
    };
    assert_eq!(sender("{}"), r#"{"c":"node","u":{"u":"SYSTEM","d":"SYSTEM","f":null}}"#);
    assert_eq!(sender(r#"{"c":"me"}"#), r#"{"c":"me","u":{"u":"SYSTEM","d":"SYSTEM","f":null}}"#);
    let user = r#"{"u":"999","d":"BackOffice","f":"stock"}"#;
    assert_eq!(sender(&format!(r#"{{"u":{user}}}"#)), format!(r#"{{"c":"node","u":{user}}}"#));
}

#[test]
fn bodies_with_missing_or_unknown_members_are_refused() {
    let check = |json: &str, error: &str| assert_eq!(read(json).unwrap_err().to_string(), error);
    check("7", ": expected an object, found a number");
    check(r#"{"p":{}}"#, "e: expected the name of an event, found nothing");
    check(r#"{"e":"x"}"#, "p: expected the payload, found nothing");
    check(r#"{"e":"x","p":{},"expires":null,"at":1}"#, "unknown member \"at\": expected e, p, ea, org or s");
    check(
        r#"{"e":"x","p":{},"ea":"soon"}"#,
        "ea: expected a time such as \"2024-07-01T12:51:52.558Z\" or null, found a string",
    );
    check(r#"{"e":"x","p":1,"s":{"u":{"u":"9"}}}"#, "s.u.d: expected the name of a device, found nothing");
    check(r#"{"e":"x","p":1,"s":{"u":{"u":"9","d":"B","x":1}}}"#, "unknown member \"s.u.x\": expected u, d or f");
    check(r#"{"e":"x","p":1,"s":{"x":1}}"#, "unknown member \"s.x\": expected c or u");
    check(
        r#"{"e":"x","p":1,"\ud800":1}"#,
        "the name of a member cannot be read: unexpected end of hex escape at line 1 column 23",
    );
}

fn read(json: &str) -> Result<PublishBody, MemberError> {
    PublishBody::read(&RawValue::from_string(json.to_owned()).unwrap())
}
