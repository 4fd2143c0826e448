use super::{IdempotencyKey, InvalidIdempotencyKey};

#[test]
fn keys_are_visible_ascii_without_quotes() {
    let longest = "k".repeat(255);
    for key in ["k", "8e03978e-40d5-43dd-bc93-6894a57f9324", "!~/#'", &longest] {
        assert_eq!(IdempotencyKey::new(key).unwrap().as_str(), key);
    }
    let too_long = "k".repeat(256);
    for key in ["", "a b", "a\n", "a\t", "ä", "\u{7f}", "\"a\"", "a\\", &too_long] {
        assert_eq!(key.parse::<IdempotencyKey>(), Err(InvalidIdempotencyKey), "{key}");
    }
}

#[cfg(feature = "http")]
#[test]
fn random_keys_are_32_digits_and_differ() {
    let keys: std::collections::HashSet<String> =
        (0..100).map(|_| IdempotencyKey::random().as_str().to_owned()).collect();
    assert_eq!(keys.len(), 100);
    assert!(keys.iter().all(|key| key.len() == 32 && key.bytes().all(|byte| byte.is_ascii_hexdigit())));
}
