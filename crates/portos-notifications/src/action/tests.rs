use super::*;

#[test]
fn actions_have_the_documented_numbers_and_words() {
    for (action, code, word) in
        [(Action::Created, 1, "created"), (Action::Updated, 2, "updated"), (Action::Deleted, 3, "deleted")]
    {
        assert_eq!((u8::from(action), Action::try_from(code), word.parse()), (code, Ok(action), Ok(action)));
    }
    assert_eq!(
        Action::try_from(4).unwrap_err().to_string(),
        "unknown action 4: expected 1 (created), 2 (updated) or 3 (deleted)"
    );
    assert_eq!(
        "Created".parse::<Action>().unwrap_err().to_string(),
        "unknown action \"Created\": expected \"created\", \"updated\" or \"deleted\""
    );
}
