use std::sync::Arc;

use serde_json::json;

use super::*;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn time(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

fn user(name: &str, organisation: Option<&str>, before: u64) -> Revocation {
    let organisation = organisation.map(str::to_owned);
    Revocation::User { user: name.to_owned(), organisation, before: time(before) }
}

fn identity(name: &str, organisation: Option<&str>, claims: &serde_json::Value) -> Identity {
    let mut identity = Identity::user(name).with_claims(claims.as_object().unwrap().clone());
    identity.organisation = organisation.map(Arc::from);
    identity
}

#[test]
fn credentials_that_were_issued_before_the_time_are_revoked_and_no_others() {
    let now = Instant::now();
    let all = user("ann", None, 1000);
    let of_acme = user("ann", Some("acme"), 1000);
    let token = Revocation::Token { id: "7".to_owned() };
    for (revocation, name, organisation, claims, expected) in [
        (&all, "ann", None, json!({"iat": 999}), true),
        (&all, "ann", None, json!({"iat": 999.9}), true),
        (&all, "ann", None, json!({"iat": 1000}), false),
        (&all, "ann", Some("acme"), json!({"iat": 999}), true),
        (&all, "ann", None, json!({}), true),
        (&all, "ann", None, json!({"iat": "1000"}), true),
        (&all, "ann", None, json!({"iat": null}), true),
        (&all, "eve", None, json!({"iat": 999}), false),
        (&of_acme, "ann", Some("acme"), json!({"iat": 999}), true),
        (&of_acme, "ann", Some("acme"), json!({"iat": 1001}), false),
        (&of_acme, "ann", Some("other"), json!({"iat": 999}), false),
        (&of_acme, "ann", None, json!({"iat": 999}), false),
        (&of_acme, "acmeann", None, json!({"iat": 999}), false),
        (&token, "ann", None, json!({"jti": "7", "iat": 5000}), true),
        (&token, "ann", None, json!({"jti": "8", "iat": 1}), false),
        (&token, "ann", None, json!({"jti": 7, "iat": 1}), false),
        (&token, "7", None, json!({}), false),
    ] {
        let table = RevocationTable::default();
        let identity = identity(name, organisation, &claims);
        assert!(!table.contains(&identity, now));
        table.insert(revocation, DAY, now).unwrap();
        assert_eq!(table.contains(&identity, now), expected, "{revocation:?} {identity:?}");
        assert!(!table.contains(&identity, now + DAY), "it is forgotten after its time");
        assert!(!table.contains(&Identity::anonymous(), now));
    }
}

#[test]
fn a_second_revocation_never_weakens_the_first() {
    let (table, now) = (RevocationTable::default(), Instant::now());
    table.insert(&user("ann", None, 1000), DAY, now).unwrap();
    table.insert(&user("ann", None, 10), Duration::from_secs(1), now).unwrap();
    assert!(table.contains(&identity("ann", None, &json!({"iat": 999})), now + DAY / 2));
}

#[test]
fn a_time_in_the_future_is_refused() {
    let table = RevocationTable::default();
    let before = SystemTime::now() + Duration::from_secs(60);
    let revocation = Revocation::User { user: "ann".to_owned(), organisation: None, before };
    assert_eq!(table.insert(&revocation, DAY, Instant::now()), Err(RevokeError::InTheFuture));
    assert!(table.is_empty());
}

#[test]
fn a_full_table_refuses_others_and_keeps_what_it_has() {
    let (table, now) = (RevocationTable::default(), Instant::now());
    for number in 0..MAX_ENTRIES {
        let memory = if number == 5 { DAY / 2 } else { DAY };
        table.insert(&Revocation::Token { id: number.to_string() }, memory, now).unwrap();
    }
    let one_more = Revocation::Token { id: "one more".to_owned() };
    assert_eq!(table.insert(&one_more, DAY, now), Err(RevokeError::Full));
    // One that is there already can be renewed.
    table.insert(&Revocation::Token { id: "0".to_owned() }, DAY, now).unwrap();
    assert!(table.contains(&identity("ann", None, &json!({"jti": "0"})), now));
    assert!(!table.contains(&identity("ann", None, &json!({"jti": "one more"})), now));
    table.insert(&one_more, DAY, now + DAY / 2).unwrap();
    assert!(table.contains(&identity("ann", None, &json!({"jti": "one more"})), now + DAY / 2));
}
