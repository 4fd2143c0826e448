use super::*;

fn event(organisation: Option<&str>) -> Event {
    let event = Event::new("shop.resources.changed".into(), "{}").with_action(Action::Created);
    let event = event.with_resource("tickets".into());
    Event { organisation: organisation.map(Organisation::from), ..event }
}

#[test]
fn organisation_is_a_border_for_events_that_have_one() {
    let check = |subscriber: Option<&str>, publisher: Option<&str>, visible: bool| {
        let scope = Scope::new(subscriber.map(Organisation::from), Grants::All);
        assert_eq!(scope.allows(&event(publisher)), visible, "{subscriber:?} {publisher:?}");
    };
    check(None, None, true);
    check(None, Some("north"), false);
    check(Some("north"), None, true);
    check(Some("north"), Some("north"), true);
    check(Some("north"), Some("south"), false);
}

#[test]
fn grants_bound_events_and_filters() {
    let filter = |resource: Option<&str>, action: Option<Action>| {
        let event = "shop.resources.changed".into();
        Filter { event, resource: resource.map(Into::into), action }
    };
    let check = |grant: (&str, Option<&str>, Option<Action>), allows: bool, permits: [bool; 4]| {
        let mut granted = Grant::new(grant.0.parse().unwrap());
        if let Some(resource) = grant.1 {
            granted = granted.with_resource(resource.parse().unwrap());
        }
        if let Some(action) = grant.2 {
            granted = granted.with_actions([action]);
        }
        let scope = Scope::new(None, Grants::Only(vec![granted]));
        assert_eq!(scope.allows(&event(None)), allows, "{grant:?}");
        let filters = [(None, None), (Some("tickets"), None), (Some("devices"), None), (None, Some(Action::Deleted))];
        assert_eq!(filters.map(|(r, a)| scope.overlaps(&filter(r, a))), permits, "{grant:?}");
    };
    check(("*", None, None), true, [true, true, true, true]);
    check(("shop.*", None, None), true, [true, true, true, true]);
    check(("shop.resources.changed", Some("tick*"), None), true, [true, true, false, true]);
    check(("shop.*", Some("devices"), None), false, [true, false, true, true]);
    check(("shop.*", None, Some(Action::Created)), true, [true, true, true, false]);
    check(("shop.*", None, Some(Action::Deleted)), false, [true, true, true, true]);
    check(("shop.licence.*", None, None), false, [false, false, false, false]);
}

#[test]
fn star_stands_at_the_end_only() {
    let check = |text: &str, error: Option<&str>| {
        let parsed = text.parse::<Pattern>();
        assert_eq!(parsed.as_ref().err().map(ToString::to_string).as_deref(), error);
        assert_eq!(parsed.map_or_else(|_| text.to_owned(), |pattern| pattern.to_string()), text);
    };
    check("*", None);
    check("a*", None);
    check("a", None);
    check("", Some(r#"a pattern must not be empty: use "*" for every name"#));
    check("*a", Some(r#""*a" is no pattern: a * may only stand at the end"#));
    check("a**", Some(r#""a**" is no pattern: a * may only stand at the end"#));
}
