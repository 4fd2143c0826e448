use super::*;

fn party(user: &str, address: &str) -> Party {
    let (user, organisation) =
        user.split_once('@').map_or((user, None), |(user, organisation)| (user, Some(organisation.into())));
    let principal = Principal { organisation, user: (!user.is_empty()).then(|| user.into()) };
    Party { owner: Owner { endpoint: 0, principal }, address: address.parse().ok().map(network) }
}

fn shares(per_user: Option<usize>, per_address: Option<usize>) -> Shares {
    Shares { per_user, per_address }
}

#[test]
fn users_and_addresses_are_counted_apart() {
    let shares = shares(Some(2), Some(3));
    let mut tally = Tally::default();
    let mut charges = Vec::new();
    for (user, address, expected) in [
        ("ann", "1.1.1.1", None),
        ("ann", "1.1.1.2", None),
        ("ann", "1.1.1.3", Some(Spent::User)),
        ("bob", "1.1.1.1", None),
        ("", "1.1.1.1", None),
        ("", "1.1.1.1", Some(Spent::Address)),
        ("", "", None),
        ("", "", None),
        ("", "2001:db8::1", None),
        ("", "2001:db8::2", None),
        ("", "2001:db8::3", None),
        ("", "2001:db8::ffff:4", Some(Spent::Address)),
        ("", "2001:db8:0:1::4", None),
    ] {
        match tally.charge(&party(user, address), shares) {
            Ok(charge) => {
                assert_eq!(expected, None, "{user} from {address}");
                charges.push(charge);
            }
            Err(spent) => assert_eq!(expected, Some(spent), "{user} from {address}"),
        }
    }
    for charge in charges {
        tally.release(charge);
    }
    assert!(tally.users.is_empty() && tally.addresses.is_empty(), "{tally:?}");
}

#[test]
fn users_of_one_name_in_two_organisations_are_two_users() {
    let shares = shares(Some(1), None);
    let mut tally = Tally::default();
    let charges = ["ann", "ann@acme", "ann@other"].map(|user| tally.charge(&party(user, ""), shares).unwrap());
    for user in ["ann", "ann@acme", "ann@other"] {
        assert_eq!(tally.charge(&party(user, ""), shares), Err(Spent::User), "{user}");
    }
    charges.into_iter().for_each(|charge| drop(tally.release(charge)));
    assert!(tally.users.is_empty());
}

#[test]
fn a_connection_counts_for_who_attaches_it() {
    let shares = shares(Some(1), None);
    let mut tally = Tally::default();
    let _ann = tally.charge(&party("ann", ""), shares).unwrap();
    let mut charge = tally.charge(&party("bob", ""), shares).unwrap();
    assert_eq!(tally.recharge(&mut charge, &party("ann", ""), shares), Err(Spent::User));
    assert_eq!(charge.user, Some(party("bob", "").owner.principal), "a refusal changes nothing");
    tally.recharge(&mut charge, &party("bob", ""), shares).unwrap();
    tally.recharge(&mut charge, &party("", ""), shares).unwrap();
    assert_eq!(tally.users.len(), 1);
}

#[test]
fn without_limits_nobody_is_remembered() {
    let mut tally = Tally::default();
    tally.charge(&party("ann", "1.1.1.1"), Shares::default()).unwrap();
    assert!(tally.users.is_empty() && tally.addresses.is_empty());
}
