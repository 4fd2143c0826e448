use super::*;

const MINUTE: Duration = Duration::from_secs(60);

fn v4(number: u32) -> IpAddr {
    IpAddr::V4(number.into())
}

fn request(address: Option<&str>) -> Parts {
    let mut head = http::Request::new(()).into_parts().0;
    if let Some(address) = address {
        head.extensions.insert(RemoteAddress::new(address.parse().unwrap()));
    }
    head
}

#[test]
fn wrong_credentials_use_up_an_allowance_that_refills() {
    let limit = GuessLimit::new(3, MINUTE);
    let start = Instant::now();
    for _ in 0..3 {
        assert_eq!(limit.count_at(v4(1), start), Ok(()));
    }
    let after = Duration::from_secs(20);
    assert_eq!(limit.count_at(v4(1), start), Err(after));
    // Refused attempts cost nothing, or a client that goes on would be refused for as long as it does.
    assert_eq!(limit.count_at(v4(1), start), Err(after));
    assert_eq!(limit.count_at(v4(2), start), Ok(()));
    assert_eq!(limit.count_at(v4(1), start + after), Ok(()));
    assert!(limit.count_at(v4(1), start + after).is_err());
    for _ in 0..3 {
        assert_eq!(limit.count_at(v4(1), start + 10 * MINUTE), Ok(()));
    }
    assert!(limit.count_at(v4(1), start + 10 * MINUTE).is_err());
}

#[test]
fn addresses_count_apart_and_networks_of_ipv6_as_one() {
    let limit = GuessLimit::new(1, MINUTE);
    for (address, allowed) in [
        (Some("10.0.0.1"), true),
        (Some("10.0.0.1"), false),
        (Some("::ffff:10.0.0.1"), false),
        (Some("10.0.0.2"), true),
        (Some("2001:db8::1"), true),
        (Some("2001:db8::ffff:2"), false),
        (Some("2001:db8:0:1::1"), true),
        (None, true),
        (None, true),
    ] {
        let head = request(address);
        assert_eq!(limit.check(&head).is_ok(), allowed, "{address:?}");
        assert_eq!(limit.clone().count(&head).is_ok(), allowed, "{address:?}");
    }
}

#[test]
fn a_full_table_removes_the_addresses_with_the_fewest_guesses() {
    let limit = GuessLimit::new(2, MINUTE);
    let now = Instant::now();
    let most = u32::try_from(MOST_ADDRESSES).unwrap();
    for guesser in 0..100 {
        assert!(limit.count_at(v4(guesser), now).is_ok() && limit.count_at(v4(guesser), now).is_ok());
    }
    for other in 100..10 * most {
        assert!(limit.count_at(v4(other), now).is_ok());
        assert!(limit.lock().len() <= MOST_ADDRESSES);
    }
    for guesser in 0..100 {
        assert!(limit.count_at(v4(guesser), now).is_err(), "{guesser} is remembered");
    }
    // All of these have used up their allowance, and still no more are kept.
    for other in 0..3 * most {
        let _ = limit.count_at(v4(other), now);
        let _ = limit.count_at(v4(other), now);
    }
    assert!(limit.lock().len() <= MOST_ADDRESSES);
    // After a while all allowances are whole again, and nothing of them is kept.
    for other in 0..most {
        assert!(limit.count_at(v4(u32::MAX - other), now + 2 * MINUTE).is_ok());
    }
    assert!(limit.lock().len() <= MOST_ADDRESSES);
}

#[tokio::test(start_paused = true)]
async fn an_allowance_follows_the_clock_of_the_runtime() {
    let (limit, head) = (GuessLimit::new(1, MINUTE), request(Some("192.0.2.1")));
    assert_eq!(limit.count(&head), Ok(()));
    assert!(limit.check(&head).is_err());
    tokio::time::advance(MINUTE + Duration::from_millis(1)).await;
    assert_eq!(limit.check(&head), Ok(()));
}
