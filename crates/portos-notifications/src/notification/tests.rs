use super::*;
use crate::{Action, UserIdentity};

const DOCUMENTED: &str = concat!(
    r#"{"e":"portos.resources.changed","s":{"c":"connection-identifier","u":{"u":"SYSTEM","d":"SYSTEM","f":null}},"#,
    r#""r":null,"ca":"2024-07-01T12:51:52.558Z","ea":null,"#,
    r#""p":{"u":{"u":"999","d":"BackOffice","f":null},"n":"tickets","a":1,"#,
    r#""i":{"i":"573f4511088c772684a738f8","n":"tickets","v":7},"r":[{"z":1,"a":"ž"}]}}"#,
);

#[test]
fn documented_example_round_trips_to_the_letter() {
    let notification: Notification = serde_json::from_str(DOCUMENTED).unwrap();
    assert_eq!(serde_json::to_string(&notification).unwrap(), DOCUMENTED);
    assert_eq!(notification.sender.user, UserIdentity::default());

    let changed = notification.resource_changed().unwrap().unwrap();
    assert_eq!((changed.resource.as_str(), changed.action, changed.info.version), ("tickets", Action::Created, 7));
    assert_eq!(changed.user, UserIdentity::new("999", "BackOffice"));
    assert_eq!(serde_json::to_string(&changed).unwrap(), notification.payload.get());
    assert!(notification.licence_activated().is_none());
}

#[test]
fn licence_is_handed_on_as_it_came() {
    let json = DOCUMENTED.replace(RESOURCES_CHANGED, LICENCE_ACTIVATED).replace(r#""ea":null,"#, "");
    let notification: Notification = serde_json::from_str(&json).unwrap();
    assert_eq!((notification.expires, notification.resource_changed().unwrap().is_none()), (None, true));
    let activated = notification.licence_activated().unwrap();
    assert_eq!(serde_json::to_string(&activated).unwrap(), notification.payload.get());
}

#[test]
fn a_value_that_is_no_notification_is_an_error() {
    let check = |from: &str, to: &str, error: &str| {
        let answer = serde_json::from_str::<Notification>(&DOCUMENTED.replace(from, to));
        let answer = answer.and_then(|notification| notification.resource_changed()).unwrap_err().to_string();
        assert!(answer.starts_with(error), "{answer}");
    };
    check(r#""a":1"#, r#""a":4"#, "unknown action 4: expected 1 (created), 2 (updated) or 3 (deleted)");
    check(
        "2024-07-01T12:51:52.558Z",
        "today",
        r#"invalid value: string "today", expected a time such as "2024-07-01T12:51:52.558Z""#,
    );
    check(r#""ca""#, r#""CA""#, "missing field `ca`");
}
