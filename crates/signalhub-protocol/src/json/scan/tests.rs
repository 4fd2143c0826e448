use proptest::prelude::*;
use serde::de::IgnoredAny;

use super::Scanner;
use crate::json::TextError;

fn is_json(text: &[u8]) -> bool {
    let mut scanner = Scanner::new(text);
    scanner.value().is_ok() && scanner.end().is_ok()
}

#[test]
fn control_characters_are_found_wherever_they_stand() {
    for at in 0..40 {
        for byte in [0, b'\n', 0x1F] {
            let mut text = [b"\"".as_slice(), &[b'x'; 40], b"\""].concat();
            assert!(is_json(&text));
            text[1 + at] = byte;
            assert!(!is_json(&text), "{byte} at {at}");
        }
        for byte in [0x7F, 0x80, 0xFF, b' ', b'!', b'#'] {
            let mut text = [b"\"".as_slice(), &[b'x'; 40], b"\""].concat();
            text[1 + at] = byte;
            assert!(is_json(&text), "{byte} at {at}");
        }
    }
}

#[test]
fn escapes_become_characters() {
    let rows: [(&[u8], Result<&str, TextError>); 9] = [
        (br#""\"\\\/\b\f\n\r\t""#, Ok("\"\\/\u{8}\u{c}\n\r\t")),
        (br#""a\u00e9\u00E9z""#, Ok("aééz")),
        (br#""\ud83d\uDE00!""#, Ok("😀!")),
        (br#""\u0000""#, Ok("\0")),
        (br#""\ud83d""#, Err(TextError::HalfPair)),
        (br#""\ud83d\n""#, Err(TextError::HalfPair)),
        (br#""\ud83d\u0041""#, Err(TextError::Surrogate(0x41))),
        (br#""\ude00\ud83d""#, Err(TextError::Surrogate(0xDE00))),
        (b"\"\\n\xff\"", Err(TextError::Utf8)),
    ];
    for (text, expected) in rows {
        let decoded = Scanner::new(text).string().unwrap().decode();
        assert_eq!(decoded.as_deref().map_err(|error| *error), expected, "{}", text.escape_ascii());
    }
}

proptest! {
    #[test]
    fn agrees_with_serde_json_on_what_is_json(text in r#"[\[\]{}",:0-9eE+.\\nulltruefalse \n-]{0,16}"#) {
        prop_assert_eq!(is_json(text.as_bytes()), serde_json::from_str::<IgnoredAny>(&text).is_ok());
    }

    #[test]
    fn agrees_with_serde_json_on_numbers(text in r"-?[0-9]{1,3}(\.[0-9]{0,2})?([eE][+-]?[0-9]{0,2})?[0x]?") {
        prop_assert_eq!(is_json(text.as_bytes()), serde_json::from_str::<IgnoredAny>(&text).is_ok());
    }

    #[test]
    fn reads_every_string_that_serde_json_writes(text: String) {
        let json = serde_json::to_string(&text).unwrap();
        let decoded = Scanner::new(json.as_bytes()).string().unwrap().decode();
        prop_assert_eq!(decoded.unwrap(), text);
    }
}
