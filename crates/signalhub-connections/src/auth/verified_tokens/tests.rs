use super::*;

const HOUR: Duration = Duration::from_secs(3600);

fn count(tokens: &VerifiedTokens) -> usize {
    let tokens = tokens.lock();
    tokens.young.entries.len() + tokens.old.entries.len()
}

fn insert(tokens: &VerifiedTokens, token: &str, expires: SystemTime, now: Instant) {
    tokens.insert(tokens.key_generation(), TokenHash::of(token), &Identity::user(token), expires, now);
}

#[test]
fn a_token_is_kept_for_a_minute_and_never_past_its_expiry() {
    let (now, time, second) = (Instant::now(), SystemTime::now(), Duration::from_secs(1));
    let tokens = VerifiedTokens::default();
    insert(&tokens, "long", time + HOUR, now);
    insert(&tokens, "short", time + 10 * second, now);
    for (token, passed, is_kept) in [
        ("long", Duration::ZERO, true),
        ("long", 59 * second, true),
        ("long", 60 * second, false),
        ("short", 9 * second, true),
        ("short", 10 * second, false),
        ("other", Duration::ZERO, false),
    ] {
        let found = tokens.get(TokenHash::of(token), now + passed, time + passed);
        assert_eq!(found, is_kept.then(|| Identity::user(token)), "{token} after {passed:?}");
    }
    // A clock that is set forward ends the token too.
    assert!(tokens.get(TokenHash::of("long"), now, time + HOUR).is_none());
    // One that is set back does not keep it for longer than a minute.
    assert!(tokens.get(TokenHash::of("long"), now + 59 * second, time - HOUR).is_some());
    assert!(tokens.get(TokenHash::of("long"), now + 60 * second, time - HOUR).is_none());
}

#[test]
fn the_number_and_the_bytes_of_verified_tokens_are_bounded() {
    let (now, time) = (Instant::now(), SystemTime::now());
    let tokens = VerifiedTokens::default();
    for number in 0..3 * MAX_ENTRIES {
        insert(&tokens, &number.to_string(), time + HOUR, now);
        assert!(count(&tokens) <= MAX_ENTRIES);
    }
    let newest = (3 * MAX_ENTRIES - 1).to_string();
    assert!(tokens.get(TokenHash::of(&newest), now, time).is_some());
    let long = Identity::user("ann").with_claim("text", "x".repeat(MAX_BYTES / 8));
    for number in 0..20 {
        tokens.insert(tokens.key_generation(), TokenHash::of(&format!("long {number}")), &long, time + HOUR, now);
        let inner = tokens.lock();
        assert!(inner.young.bytes + inner.old.bytes <= MAX_BYTES, "{number}");
    }
    // Whatever has not been asked for in two minutes is gone with the next two tokens.
    insert(&tokens, "a", time + HOUR, now + LIFETIME);
    insert(&tokens, "b", time + HOUR, now + 2 * LIFETIME);
    assert_eq!(count(&tokens), 2);
}

#[test]
fn new_keys_empty_the_table_and_tokens_of_the_old_ones_do_not_come_back() {
    let (now, time) = (Instant::now(), SystemTime::now());
    let tokens = VerifiedTokens::default();
    insert(&tokens, "ann", time + HOUR, now);
    let old_keys = tokens.key_generation();
    tokens.clear();
    assert_eq!(count(&tokens), 0);
    // This one was being verified with the old keys while they were replaced.
    tokens.insert(old_keys, TokenHash::of("bob"), &Identity::user("bob"), time + HOUR, now);
    assert_eq!(count(&tokens), 0);
    insert(&tokens, "ann", time + HOUR, now);
    assert_eq!(count(&tokens), 1);
}
