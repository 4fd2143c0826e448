use proptest::prelude::*;

use super::write_string;

fn written(text: &str) -> String {
    let mut out = Vec::new();
    write_string(text, &mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn escapes_what_the_original_escapes_and_nothing_else() {
    let rows = [
        ("plain <>&'+/~ é中文שלום", r#""plain <>&'+/~ é中文שלום""#),
        ("\"\\", r#""\"\\""#),
        ("\u{8}\t\n\u{c}\r", r#""\b\t\n\f\r""#),
        ("\0\u{b}\u{1f}", r#""\u0000\u000B\u001F""#),
        ("\u{7e}\u{7f}\u{a0}\u{a1}", r#""~\u007F\u00A0¡""#),
        ("\u{377}\u{378}\u{379}\u{37a}", r#""ͷ\u0378\u0379ͺ""#),
        ("\u{2028}\u{2029}\u{feff}\u{e000}\u{f8ff}", r#""\u2028\u2029\uFEFF\uE000\uF8FF""#),
        ("\u{fffd}\u{fffe}\u{ffff}", r#""�\uFFFE\uFFFF""#),
        ("😀!", r#""\uD83D\uDE00!""#),
        ("\u{10000}\u{10ffff}", r#""\uD800\uDC00\uDBFF\uDFFF""#),
    ];
    for (text, expected) in rows {
        assert_eq!(written(text), expected);
    }
}

/// How many of the characters up to U+FFFF the original wrote as six bytes.
#[test]
fn as_many_characters_are_escaped_as_by_the_original() {
    let characters = (0..=0xFFFF).filter_map(char::from_u32);
    assert_eq!(characters.filter(|character| written(&character.to_string()).starts_with("\"\\u")).count(), 7911);
}

proptest! {
    #[test]
    fn every_text_reads_back(text: String) {
        prop_assert_eq!(serde_json::from_str::<String>(&written(&text)).unwrap(), text);
    }
}
