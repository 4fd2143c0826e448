use super::*;

fn party(user: &str, address: &str) -> Party {
    let user = (!user.is_empty()).then(|| user.into());
    Party { user, address: address.parse().ok().map(network) }
}

#[test]
fn users_and_addresses_are_counted_apart() {
    let limits = Limits::default().connections_per_user(2).connections_per_address(3);
    let mut parties = Parties::default();
    let mut charges = Vec::new();
    for (user, address, expected) in [
        ("ann", "1.1.1.1", None),
        ("ann", "1.1.1.2", None),
        ("ann", "1.1.1.3", Some(Limit::PerUser)),
        ("bob", "1.1.1.1", None),
        ("", "1.1.1.1", None),
        ("", "1.1.1.1", Some(Limit::PerAddress)),
        ("", "", None),
        ("", "", None),
        ("", "2001:db8::1", None),
        ("", "2001:db8::2", None),
        ("", "2001:db8::3", None),
        ("", "2001:db8::ffff:4", Some(Limit::PerAddress)),
        ("", "2001:db8:0:1::4", None),
    ] {
        match parties.charge(&party(user, address), &limits) {
            Ok(charge) => {
                assert_eq!(expected, None, "{user} from {address}");
                charges.push(charge);
            }
            Err(limit) => assert_eq!(expected, Some(limit), "{user} from {address}"),
        }
    }
    for charge in charges {
        parties.release(charge);
    }
    assert!(parties.users.is_empty() && parties.addresses.is_empty(), "{parties:?}");
}

#[test]
fn a_connection_counts_for_who_attaches_it() {
    let limits = Limits::default().connections_per_user(1);
    let mut parties = Parties::default();
    let _ann = parties.charge(&party("ann", ""), &limits).unwrap();
    let mut charge = parties.charge(&party("bob", ""), &limits).unwrap();
    assert_eq!(parties.recharge(&mut charge, &party("ann", ""), &limits), Err(Limit::PerUser));
    assert_eq!(charge.0, party("bob", ""), "a refusal changes nothing");
    parties.recharge(&mut charge, &party("bob", ""), &limits).unwrap();
    parties.recharge(&mut charge, &party("", ""), &limits).unwrap();
    assert_eq!(parties.users.len(), 1);
}

#[test]
fn without_limits_nobody_is_remembered() {
    let mut parties = Parties::default();
    parties.charge(&party("ann", "1.1.1.1"), &Limits::default()).unwrap();
    assert!(parties.users.is_empty() && parties.addresses.is_empty());
}
