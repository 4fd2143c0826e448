use super::*;

#[test]
fn refusals_say_what_is_allowed() {
    let check = |event: &str, asked: Resources, error: Option<&str>| {
        let answer = Catalogue::portos().check(&event.into(), asked);
        assert_eq!(answer.err().map(|error| error.to_string()).as_deref(), error);
    };
    check("portos.resources.changed", Resources::With, None);
    check("portos.resources.changed", Resources::Without, None);
    check("portos.licence.activated", Resources::Without, None);
    check(
        "portos.licence.activated",
        Resources::With,
        Some(
            r#"event "portos.licence.activated" has no resources: resources and actions are allowed for "portos.resources.changed""#,
        ),
    );
    check(
        "Portos.resources.changed",
        Resources::Without,
        Some(
            r#"unknown event "Portos.resources.changed": expected "portos.licence.activated" or "portos.resources.changed""#,
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
