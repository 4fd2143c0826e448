use super::*;

#[test]
fn words_and_codes_round_trip_and_others_are_refused() {
    for (action, word, code) in
        [(Action::Created, "created", 1), (Action::Updated, "updated", 2), (Action::Deleted, "deleted", 3)]
    {
        assert_eq!((action.as_str(), action.code()), (word, code));
        assert_eq!((word.parse(), Action::from_code(code)), (Ok(action), Some(action)));
    }
    assert_eq!((Action::from_code(0), Action::from_code(4)), (None, None));
    let error = "Created".parse::<Action>().unwrap_err();
    assert_eq!(error.to_string(), r#"unknown action "Created": expected "created", "updated" or "deleted""#);
}
