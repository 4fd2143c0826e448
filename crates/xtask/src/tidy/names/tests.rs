use super::{definition, empty_word};

#[test]
fn definitions_are_found_behind_their_qualifiers() {
    let check = |line: &str, expected: Option<(&str, &str)>| assert_eq!(definition(line), expected, "{line}");
    check("struct Hub<S> {", Some(("struct", "Hub")));
    check("    pub(crate) async fn send(&self) {", Some(("fn", "send")));
    check("pub(in crate::hub) const unsafe extern \"C\" fn call();", Some(("fn", "call")));
    check("pub mod event;", Some(("mod", "event")));
    check("const LIMIT: usize = 60;", None);
    check("pub use std::io;", None);
    check("// fn is a word, too", None);
    check("let function = fn_name;", None);
}

#[test]
fn empty_words_are_found_as_whole_words() {
    let check = |kind: &str, name: &str, expected: Option<&str>| assert_eq!(empty_word(kind, name), expected, "{name}");
    check("struct", "ConnectionManager", Some("manager"));
    check("mod", "utils", Some("util"));
    check("fn", "read_context", Some("context"));
    check("fn", "data", None);
    check("struct", "ConnectionInfo", Some("info"));
    check("mod", "data", Some("data"));
    check("enum", "ServiceKind", Some("service"));
    check("struct", "Database", None);
    check("fn", "informed", None);
    check("fn", "serviceable", None);
    check("trait", "Subscriber", None);
}

#[test]
fn conversions_and_names_of_the_wire_keep_their_words() {
    assert_eq!(empty_word("fn", "into_service"), None);
    assert_eq!(empty_word("struct", "ResourceInfo"), None);
    assert_eq!(empty_word("struct", "into_service"), Some("service"));
}
