use super::*;

/// Returns a catalogue of two events, one of which has resources.
pub(crate) fn shop() -> Catalogue {
    Catalogue::new()
        .with_event(EventName::new("shop.resources.changed"), Resources::With)
        .with_event(EventName::new("shop.licence.activated"), Resources::Without)
}

#[test]
fn refusals_say_what_is_allowed() {
    let check = |event: &str, asked: Resources, error: Option<&str>| {
        let answer = shop().check(&event.into(), asked);
        assert_eq!(answer.err().map(|error| error.to_string()).as_deref(), error);
    };
    check("shop.resources.changed", Resources::With, None);
    check("shop.resources.changed", Resources::Without, None);
    check("shop.licence.activated", Resources::Without, None);
    check(
        "shop.licence.activated",
        Resources::With,
        Some(
            r#"event "shop.licence.activated" has no resources: resources and actions are allowed for "shop.resources.changed""#,
        ),
    );
    check(
        "Shop.resources.changed",
        Resources::Without,
        Some(
            r#"unknown event "Shop.resources.changed": expected "shop.licence.activated" or "shop.resources.changed""#,
        ),
    );
}

#[test]
fn unknown_events_pass_where_they_are_allowed() {
    let event = EventName::new("custom");
    let error = Catalogue::new().check(&event, Resources::Without).unwrap_err();
    assert_eq!(error.to_string(), r#"unknown event "custom": expected no event at all"#);
    assert_eq!(Catalogue::new().with_unknown(UnknownEvents::Allowed).check(&event, Resources::With), Ok(()));
}
