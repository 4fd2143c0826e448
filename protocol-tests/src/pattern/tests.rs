use super::*;

#[test]
fn whole_texts_match() {
    fn check(pattern: &str, text: &str, matches: bool) {
        assert_eq!(Pattern::new(pattern).unwrap().matches_whole(text), matches, "{pattern} on {text:?}");
    }
    check("", "", true);
    check("abc", "abc", true);
    check("abc", "abcd", false);
    check(r"closed\ with\ an\ error\..*", "closed with an error. Some\nlines", true);
    check(r"closed\ with\ an\ error\..*", "closed with an error", false);
    check("a|bc|", "bc", true);
    check("a|bc|", "", true);
    check("(?:ab)+", "ababab", true);
    check("(?:ab)+", "aba", false);
    check("[^a-c]{2,3}", "xyz", true);
    check("[^a-c]{2,3}", "xaz", false);
    check("[a-]{2}x?", "-a", true);
    check("a{2,}b*?", "aaaab", true);
    check(r"\d+[\d.]*", "1.5", true);
    check(r"\w\s\w", "ä b", false);
    check("ä.", "äö", true);
    check("(a*)*", "aaaa", true);
}

#[test]
fn first_group_is_of_the_leftmost_match() {
    fn check(pattern: &str, text: &str, group: Option<&str>) {
        assert_eq!(Pattern::new(pattern).unwrap().first_group(text), group, "{pattern} on {text:?}");
    }
    check(r#""id":"([^"]+)""#, r#"{"id":"a7"}{"id":"b8"}"#, Some("a7"));
    check(r#""id":"([^"]+)""#, "{}", None);
    check("60(a[0-9a-f](?:[0-9a-f]{2})+?)a44e", "0060a1313233a44e60a4a44e", Some("a1313233"));
    check("x(a+)", "xaaa", Some("aaa"));
    check("x(a+?)", "xaaa", Some("a"));
    check("x(a+?)y", "xaaay", Some("aaa"));
    check("x(a)?y", "xy", Some(""));
    check("xy", "xy", Some(""));
    check("(?:a)(b)(c)", "abc", Some("b"));
}

#[test]
fn what_is_not_understood_is_refused() {
    for text in ["^a", "a$", "(?=a)", "a{x}", "(a", "[a", r"\bc", "*a", "a)", r"a\", "a{1000}"] {
        assert!(Pattern::new(text).is_err(), "{text}");
    }
}

#[test]
fn long_texts_take_linear_time_and_no_stack() {
    let text = "a".repeat(200_000);
    assert!(!Pattern::new("(?:a*)*b").unwrap().matches_whole(&text));
}
