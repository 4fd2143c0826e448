use proptest::prelude::*;

use super::*;

fn secrets() -> ClusterSecrets {
    ClusterSecrets::new([[7; 32]]).unwrap()
}

fn principal(organisation: Option<&str>, user: Option<&str>) -> Principal {
    Principal { organisation: organisation.map(Into::into), user: user.map(Into::into) }
}

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

#[test]
fn a_token_has_51_characters_and_says_what_was_negotiated() {
    let scope = TokenScope { path: "/hub", principal: &Principal::default() };
    for reconnect in [Reconnect::Plain, Reconnect::Stateful] {
        for naming in [Naming::Separate, Naming::Shared] {
            let token = SignedToken::new(reconnect, naming, at(1_800_000_000));
            let text = token.encode(&secrets(), scope);
            assert_eq!(text.len(), 51);
            assert_eq!(SignedToken::decode(&secrets(), scope, &text).unwrap(), token);
            let names = token.names(&text);
            assert_eq!(names.token.reveal(), text);
            assert_eq!(names.id.is_public(), naming == Naming::Separate);
            assert_eq!(names.id.as_str().len(), if naming == Naming::Separate { 22 } else { 51 });
            assert_eq!(token.public_id().as_str().len(), 22);
        }
    }
}

#[test]
fn an_id_does_not_contain_the_random_bytes() {
    let token = SignedToken { random: [7; 16], ..SignedToken::new(Reconnect::Plain, Naming::Separate, at(0)) };
    assert_ne!(token.key(), token.random);
    // SHA-256 of 16 bytes 07, cut to 16 bytes.
    let expected = digest::digest(&SHA256, &[7; 16]);
    assert_eq!(token.key(), expected.as_ref()[..16]);
}

#[test]
fn only_its_user_at_its_path_can_use_a_token() {
    let ann = principal(Some("shop"), Some("ann"));
    let text = SignedToken::new(Reconnect::Plain, Naming::Separate, at(0))
        .encode(&secrets(), TokenScope { path: "/hub", principal: &ann });
    for (path, other) in [
        ("/other", ann.clone()),
        ("/hub", principal(Some("shop"), Some("bob"))),
        ("/hub", principal(Some("shop"), None)),
        ("/hub", principal(None, Some("ann"))),
        ("/hub", principal(Some("sho"), Some("pann"))),
        ("/hub", Principal::default()),
    ] {
        let scope = TokenScope { path, principal: &other };
        assert_eq!(SignedToken::decode(&secrets(), scope, &text), Err(TokenRefusal::Forged), "{path} {other:?}");
    }
    let scope = TokenScope { path: "/hub", principal: &ann };
    assert!(SignedToken::decode(&secrets(), scope, &text).is_ok());
    let others = ClusterSecrets::new([[8; 32]]).unwrap();
    assert_eq!(SignedToken::decode(&others, scope, &text), Err(TokenRefusal::Forged));
}

#[test]
fn texts_that_are_no_tokens_are_malformed() {
    let scope = TokenScope { path: "/hub", principal: &Principal::default() };
    let text = SignedToken::new(Reconnect::Plain, Naming::Separate, at(0)).encode(&secrets(), scope);
    let other_version = URL_SAFE_NO_PAD.encode([2; LENGTH]);
    let other_flags = URL_SAFE_NO_PAD.encode([[1, 4].as_slice(), &[0; 36]].concat());
    for text in
        ["", "x", &text[1..], &format!("{text}A"), &format!("{text}="), &other_version, &other_flags, &"é".repeat(51)]
    {
        assert_eq!(SignedToken::decode(&secrets(), scope, text), Err(TokenRefusal::Malformed), "{text}");
    }
}

#[test]
fn a_token_opens_a_connection_for_the_lifetime_only() {
    let token = SignedToken::new(Reconnect::Plain, Naming::Separate, at(1000));
    let lifetime = Duration::from_secs(15);
    for (now, expected) in [(969, None), (970, Some(46)), (1000, Some(16)), (1015, Some(1)), (1016, None), (5000, None)]
    {
        assert_eq!(token.time_left(at(now), lifetime), expected.map(Duration::from_secs), "{now}");
    }
}

proptest! {
    #[test]
    fn every_token_comes_back_as_it_was(random: [u8; 16], issued: u32, stateful: bool, shared: bool, path in "\\PC{0,20}",
        user in proptest::option::of("\\PC{0,20}"), organisation in proptest::option::of("\\PC{0,20}"))
    {
        let reconnect = if stateful { Reconnect::Stateful } else { Reconnect::Plain };
        let token = SignedToken { reconnect, naming: if shared { Naming::Shared } else { Naming::Separate }, issued, random };
        let principal = principal(organisation.as_deref(), user.as_deref());
        let scope = TokenScope { path: &path, principal: &principal };
        prop_assert_eq!(SignedToken::decode(&secrets(), scope, &token.encode(&secrets(), scope)), Ok(token));
    }

    #[test]
    fn a_token_that_was_changed_anywhere_is_refused(random: [u8; 16], position in 0..51_usize, other in "[A-Za-z0-9_-]") {
        let scope = TokenScope { path: "/hub", principal: &Principal::default() };
        let token = SignedToken { random, ..SignedToken::new(Reconnect::Plain, Naming::Separate, at(0)) };
        let mut text = token.encode(&secrets(), scope);
        prop_assume!(text[position..=position] != other);
        text.replace_range(position..=position, &other);
        prop_assert!(SignedToken::decode(&secrets(), scope, &text).is_err());
    }

    #[test]
    fn any_text_is_read_without_a_panic(text in "\\PC{0,80}") {
        let scope = TokenScope { path: "/hub", principal: &Principal::default() };
        prop_assert!(SignedToken::decode(&secrets(), scope, &text).is_err());
    }
}
