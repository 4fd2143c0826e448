use super::*;
use crate::auth::identity::{Owner, Principal};
use crate::auth::ticket::Ticket;
use crate::id::ConnectionNames;

fn key(user: &str) -> (Arc<Identity>, QuotaKey) {
    let identity = Arc::new(Identity::user(user));
    let key = QuotaKey { owner: Owner { endpoint: 0, principal: Principal::of(&identity) }, ..QuotaKey::default() };
    (identity, key)
}

const LIFETIME: Duration = Duration::from_secs(15);

#[tokio::test(start_paused = true)]
async fn a_ticket_negotiates_until_its_connection_works_or_its_time_is_over() {
    let (mut tickets, limits) = (OpenTickets::default(), Limits::default());
    let (identity, key) = key("ann");
    let hash = Ticket::random().hash();
    tickets.issue(hash, &identity, LIFETIME, &key, &limits).unwrap();
    let check = |tickets: &OpenTickets, wanted: TicketUse<'_>| tickets.identity(hash, wanted, 0).map(drop);
    assert_eq!(check(&tickets, TicketUse::Negotiate), Ok(()));
    assert_eq!(check(&tickets, TicketUse::Open), Ok(()));
    assert_eq!(check(&tickets, TicketUse::Connection("x")), Err(TicketError::OtherConnection));
    assert_eq!(tickets.identity(hash, TicketUse::Negotiate, 1), Err(TicketError::Unknown), "of another endpoint");
    assert_eq!(tickets.identity(Ticket::random().hash(), TicketUse::Negotiate, 0), Err(TicketError::Unknown));

    let (first, second) = (ConnectionNames::random().token, ConnectionNames::random().token);
    assert_eq!(tickets.unbind(hash), Some(None));
    assert_eq!(tickets.bind(hash, &first).unwrap().hash, hash);
    assert_eq!(check(&tickets, TicketUse::Open), Err(TicketError::OtherConnection));
    tokio::time::advance(LIFETIME - Duration::from_secs(1)).await;
    assert_eq!(tickets.unbind(hash), Some(Some(first.clone())));
    tickets.bind(hash, &second).unwrap();
    tokio::time::advance(Duration::from_secs(2)).await;
    assert_eq!(tickets.expire(Instant::now()), 0);
    assert_eq!(check(&tickets, TicketUse::Negotiate), Ok(()), "each negotiation begins the time anew");

    tickets.close(hash, &first);
    assert_eq!(
        check(&tickets, TicketUse::Negotiate),
        Ok(()),
        "the connection that it no longer opens does not close it"
    );
    tickets.close(hash, &second);
    assert_eq!(check(&tickets, TicketUse::Negotiate), Err(TicketError::Unknown));
    assert!(tickets.unbind(hash).is_none() && tickets.bind(hash, &first).is_none());

    tickets.issue(hash, &identity, LIFETIME, &key, &limits).unwrap();
    tokio::time::advance(LIFETIME).await;
    assert_eq!(check(&tickets, TicketUse::Negotiate), Err(TicketError::Unknown), "before the next tick");
    assert_eq!(tickets.expire(Instant::now()), 1);
    assert_eq!((tickets.by_hash.len(), tickets.weight), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn open_tickets_are_bounded_in_number_and_bytes_and_no_user_takes_all() {
    let (mut tickets, limits) = (OpenTickets::default(), Limits::default().pending_negotiations(8));
    let issue = |tickets: &mut OpenTickets, user: &str, claims: usize| {
        let (identity, key) = key(user);
        let identity = Identity::clone(&identity).with_claim("text", "x".repeat(claims));
        let hash = Ticket::random().hash();
        tickets.issue(hash, &Arc::new(identity), LIFETIME, &key, &limits).map(|()| hash)
    };
    // A quarter for each user.
    let mut ann: Vec<_> = (0..2).map(|_| issue(&mut tickets, "ann", 0).unwrap()).collect();
    assert_eq!(issue(&mut tickets, "ann", 0), Err(Limit::NegotiationsPerUser));
    // Large claims count for as many tickets as they take memory.
    issue(&mut tickets, "bob", 2 * BYTES_PER_TICKET).unwrap();
    assert_eq!(issue(&mut tickets, "bob", 0), Err(Limit::NegotiationsPerUser));
    for user in ["cem", "dan", "eva"] {
        issue(&mut tickets, user, 0).unwrap();
    }
    assert_eq!(issue(&mut tickets, "fay", 0), Err(Limit::Negotiations));
    let connection = ConnectionNames::random().token;
    tickets.bind(ann[0], &connection).unwrap();
    tickets.close(ann.remove(0), &connection);
    issue(&mut tickets, "fay", 0).unwrap();
    tokio::time::advance(LIFETIME).await;
    assert_eq!(tickets.expire(Instant::now()), 6);
    assert_eq!(tickets.weight, 0);
    assert!((0..2).all(|_| issue(&mut tickets, "bob", 0).is_ok()));
}
