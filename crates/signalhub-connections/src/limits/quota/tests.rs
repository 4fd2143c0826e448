use super::*;

fn quota_key(user: &str, address: &str) -> QuotaKey {
    let (user, organisation) =
        user.split_once('@').map_or((user, None), |(user, organisation)| (user, Some(organisation.into())));
    let principal = Principal { organisation, user: (!user.is_empty()).then(|| user.into()) };
    QuotaKey { owner: Owner { endpoint: 0, principal }, remote: address.parse().ok().map(RemoteAddress::new) }
}

fn quota_limits(per_user: Option<usize>, per_address: Option<usize>) -> QuotaLimits {
    QuotaLimits { per_user, per_address }
}

#[test]
fn users_and_addresses_are_counted_apart() {
    let limits = quota_limits(Some(2), Some(3));
    let mut quotas = Quotas::default();
    let mut shares_taken = Vec::new();
    for (user, address, expected) in [
        ("ann", "1.1.1.1", None),
        ("ann", "1.1.1.2", None),
        ("ann", "1.1.1.3", Some(QuotaExceeded::User)),
        ("bob", "1.1.1.1", None),
        ("", "1.1.1.1", None),
        ("", "1.1.1.1", Some(QuotaExceeded::Address)),
        ("", "", None),
        ("", "", None),
        ("", "2001:db8::1", None),
        ("", "2001:db8::2", None),
        ("", "2001:db8::3", None),
        ("", "2001:db8::ffff:4", Some(QuotaExceeded::Address)),
        ("", "2001:db8:0:1::4", None),
    ] {
        match quotas.take(&quota_key(user, address), limits) {
            Ok(share) => {
                assert_eq!(expected, None, "{user} from {address}");
                shares_taken.push(share);
            }
            Err(exceeded) => assert_eq!(expected, Some(exceeded), "{user} from {address}"),
        }
    }
    for share in shares_taken {
        quotas.release(share);
    }
    assert!(quotas.users.is_empty() && quotas.addresses.is_empty(), "{quotas:?}");
}

#[test]
fn users_of_one_name_in_two_organisations_are_two_users() {
    let limits = quota_limits(Some(1), None);
    let mut quotas = Quotas::default();
    let shares_taken = ["ann", "ann@acme", "ann@other"].map(|user| quotas.take(&quota_key(user, ""), limits).unwrap());
    for user in ["ann", "ann@acme", "ann@other"] {
        assert_eq!(quotas.take(&quota_key(user, ""), limits), Err(QuotaExceeded::User), "{user}");
    }
    shares_taken.into_iter().for_each(|share| drop(quotas.release(share)));
    assert!(quotas.users.is_empty());
}

#[test]
fn a_connection_counts_for_the_address_that_attaches_it() {
    let limits = quota_limits(Some(1), None);
    let mut quotas = Quotas::default();
    let _ann = quotas.take(&quota_key("ann", ""), limits).unwrap();
    let mut share = quotas.take(&quota_key("bob", ""), limits).unwrap();
    assert_eq!(quotas.retake(&mut share, &quota_key("ann", ""), limits), Err(QuotaExceeded::User));
    assert_eq!(share.user, Some(quota_key("bob", "").owner.principal), "a refusal changes nothing");
    quotas.retake(&mut share, &quota_key("bob", ""), limits).unwrap();
    quotas.retake(&mut share, &quota_key("", ""), limits).unwrap();
    assert_eq!(quotas.users.len(), 1);
}

#[test]
fn without_limits_nothing_is_counted() {
    let mut quotas = Quotas::default();
    quotas.take(&quota_key("ann", "1.1.1.1"), QuotaLimits::default()).unwrap();
    assert!(quotas.users.is_empty() && quotas.addresses.is_empty());
}
