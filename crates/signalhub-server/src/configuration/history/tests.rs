use super::*;

fn read(text: &str) -> Result<HistoryOverrides, String> {
    HistoryOverrides::read(&Given::Text(text)).map_err(|fault| format!("{}: {}", fault.path, fault.expected))
}

#[test]
fn overrides_are_written_as_they_are_read() {
    let overrides = read(r#"{"a.b":{"events":5,"age":"7d"},"c":{"bytes":"1MiB"},"d":{}}"#).unwrap();
    let limits = &overrides.0[&EventName::from("a.b")];
    assert_eq!(
        (limits.events.map(NonZeroUsize::get), limits.bytes, limits.age),
        (Some(5), None, Some(Duration::from_secs(7 * 86_400)))
    );
    assert_eq!(overrides.written(), r#"{ "a.b" = { events = 5, age = "7d" }, "c" = { bytes = "1MiB" }, "d" = {  } }"#);
}

#[test]
fn a_wrong_override_is_refused_with_its_place() {
    for (given, path) in [
        (r#"{"a":{"events":0}}"#, ".\"a\".events: "),
        (r#"{"a":{"bytes":5}}"#, ".\"a\".bytes: "),
        (r#"{"a":{"age":"soon"}}"#, ".\"a\".age: "),
        (r#"{"a":{"store":"off"}}"#, ".\"a\".store: one of the keys"),
        (r#"{"a":7}"#, ".\"a\": a table"),
        (r#"{"":{}}"#, ".\"\": the name of an event"),
        ("7", ": a table of limits"),
        ("a=b", ": a table of limits"),
    ] {
        let error = read(given).unwrap_err();
        assert!(error.starts_with(path), "{given}: {error}");
    }
}
