use std::collections::HashSet;

use futures_util::FutureExt;

use super::live_connections::{ConnectionSelection, LiveConnection, LiveConnections};
use super::*;
use crate::auth::ticket::Ticket;
use crate::close::dismissal::Dismissal;
use crate::outbound::Writer;
use crate::request::remote_address::RemoteAddress;

fn registry(limits: Limits) -> Arc<Registry> {
    let registry = Arc::<Registry>::default();
    registry.limit(limits);
    registry
}

fn negotiate(registry: &Registry) -> Result<String, AttachError> {
    let names = ConnectionNames::random();
    let text = names.token.reveal().to_owned();
    registry.negotiate(names, Reconnect::Plain, &QuotaKey::default(), None).map(|()| text)
}

fn send_queue() -> Arc<SendQueue> {
    Arc::new(SendQueue::new(QueueLimits::default(), Arc::default(), Arc::default(), Writer::Poll))
}

fn attach(registry: &Arc<Registry>, token: &str) -> Result<Attached<Arc<SendQueue>>, AttachError> {
    registry.attach(token, TransportKind::WebSockets, &QuotaKey::default(), |_, _| {
        let send_queue = send_queue();
        NewTransport { link: Link::WebSocket { send_queue: Arc::clone(&send_queue), handover: None }, made: send_queue }
    })
}

#[tokio::test(start_paused = true)]
async fn negotiated_connections_are_bounded_in_number_and_time() {
    let registry = registry(Limits::default().pending_negotiations(3).negotiation_lifetime(Duration::from_secs(5)));
    let tokens: Vec<_> = (0..3).map(|_| negotiate(&registry).unwrap()).collect();
    assert_eq!(negotiate(&registry), Err(AttachError::Refused(Limit::Negotiations)));
    let attached = attach(&registry, &tokens[0]).map_err(drop).unwrap();
    negotiate(&registry).unwrap();
    let inbox = registry.inbox(&tokens[1], &Owner::default(), QueueLimits::default()).unwrap().unwrap();
    inbox.put(&[0; 4096]);
    let mut held = std::pin::pin!(inbox.push(b"more"));
    assert!((&mut held).now_or_never().is_none(), "a connection without transport takes few bytes");
    tokio::time::advance(Duration::from_secs(6)).await;
    registry.tick(Instant::now());
    held.await;
    assert_eq!((registry.waiting(), registry.active()), (0, 1));
    assert!(matches!(attach(&registry, &tokens[1]), Err(AttachError::Unknown)));
    drop(attached.registration);
    assert_eq!((registry.active(), registry.lock().len()), (0, 0));
}

#[tokio::test]
async fn connections_with_and_without_negotiation_count_for_one_limit() {
    let registry = registry(Limits::default().connections(2));
    let tokens: Vec<_> = (0..2).map(|_| negotiate(&registry).unwrap()).collect();
    let first = registry.admit(&send_queue(), &QuotaKey::default(), None).map_err(drop).unwrap();
    let _second = attach(&registry, &tokens[0]).map_err(drop).unwrap();
    assert!(matches!(attach(&registry, &tokens[1]), Err(AttachError::Refused(Limit::Connections))));
    assert!(matches!(
        registry.admit(&send_queue(), &QuotaKey::default(), None),
        Err(AttachError::Refused(Limit::Connections))
    ));
    assert_eq!(negotiate(&registry), Err(AttachError::Refused(Limit::Connections)));
    drop(first.registration);
    attach(&registry, &tokens[1]).map_err(drop).unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_drain_is_spread_evenly() {
    let registry = registry(Limits::default());
    let registrations: Vec<_> = (0..4)
        .map(|_| {
            let send_queue = send_queue();
            (registry.admit(&send_queue, &QuotaKey::default(), None).map_err(drop).unwrap().registration, send_queue)
        })
        .collect();
    let waiting = negotiate(&registry).unwrap();
    let told = || registrations.iter().filter(|(_, send_queue)| send_queue.signals.take(Signal::Drain)).count();
    let mut drained = std::pin::pin!(registry.drain(Duration::from_secs(40)));
    for second in 0..40 {
        assert_eq!((&mut drained).now_or_never().is_some(), second >= 30, "after {second} s");
        assert_eq!(told(), usize::from(second % 10 == 0), "after {second} s");
        if second == 30 {
            break;
        }
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    assert!(registry.is_draining());
    registry.draining().await;
    assert_eq!(negotiate(&registry), Err(AttachError::Refused(Limit::Draining)));
    let issued = registry.issue_ticket(Ticket::random().hash(), &Arc::default(), Duration::MAX, &QuotaKey::default());
    assert_eq!(issued, Err(Limit::Draining));
    assert!(matches!(attach(&registry, &waiting), Err(AttachError::Unknown)));
    assert!(matches!(
        registry.admit(&send_queue(), &QuotaKey::default(), None),
        Err(AttachError::Refused(Limit::Draining))
    ));
}

#[tokio::test(start_paused = true)]
async fn a_drain_ends_with_the_last_connection_and_at_its_deadline_at_the_latest() {
    let (time, grace) = (Duration::from_secs(40), Duration::from_secs(5));
    let start = Instant::now();
    assert!(registry(Limits::default()).drain_and_empty(time, grace).await);
    assert_eq!(start.elapsed(), Duration::ZERO, "an empty server does not wait");
    let registry = registry(Limits::default());
    let attached = registry.admit(&send_queue(), &QuotaKey::default(), None).map_err(drop).unwrap();
    assert!(!registry.drain_and_empty(time, grace).await);
    assert_eq!(start.elapsed(), time + grace);
    let emptied = registry.drain_and_empty(time, grace);
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(3)).await;
        drop(attached);
    });
    assert!(emptied.await);
    assert_eq!(start.elapsed(), time + grace + Duration::from_secs(3));
}

#[tokio::test(start_paused = true)]
async fn ticks_wake_only_connections_that_do_not_skip_them() {
    let registry = registry(Limits::default());
    let (idle, busy) = (send_queue(), send_queue());
    let _registrations = [&idle, &busy]
        .map(|send_queue| registry.admit(send_queue, &QuotaKey::default(), None).map_err(drop).unwrap().registration);
    idle.skip_ticks_for(Duration::from_secs(3));
    registry.start_ticking();
    let mut woken = Vec::new();
    for second in 0..5 {
        tokio::time::sleep(Duration::from_millis(500)).await;
        woken.push([&idle, &busy].map(|send_queue| send_queue.signals.take(Signal::Tick)));
        tokio::time::sleep(Duration::from_millis(500)).await;
        if second == 3 {
            idle.skip_ticks_for(Duration::MAX);
        }
    }
    assert_eq!(woken, [[false, true], [false, true], [true, true], [true, true], [false, true]]);
}

fn key(user: &str, organisation: &str, address: [u8; 4]) -> QuotaKey {
    let principal = Principal { organisation: Some(organisation.into()), user: Some(user.into()) };
    QuotaKey { owner: Owner { endpoint: 0, principal }, remote: Some(RemoteAddress::new(address.into())) }
}

#[tokio::test(start_paused = true)]
async fn operators_list_live_connections_and_end_them() {
    let registry = registry(Limits::default());
    let listed = LiveConnections(Arc::clone(&registry));
    let all = ConnectionSelection::default();
    negotiate(&registry).unwrap();
    assert!(listed.list(&all).is_empty(), "a connection without transport is not live");
    let start = Instant::now();
    let admit = |user: &str, organisation: &str| {
        let send_queue = send_queue();
        let key = key(user, organisation, [10, 0, 0, 7]);
        let attached = registry.admit(&send_queue, &key, None).map_err(drop).unwrap();
        (attached, send_queue)
    };
    let (ann, queue) = admit("ann", "acme");
    tokio::time::advance(Duration::from_secs(1)).await;
    let _others = [admit("ben", "acme"), admit("ann", "other")];
    let count = |selection: ConnectionSelection<'_>| listed.list(&selection).len();
    assert_eq!(count(all), 3);
    assert_eq!(count(ConnectionSelection { user: Some("ann"), ..all }), 2);
    assert_eq!(count(ConnectionSelection { organisation: Some("acme"), ..all }), 2);
    assert_eq!(count(ConnectionSelection { user: Some("ann"), organisation: Some("acme"), ..all }), 1);
    assert_eq!(count(ConnectionSelection { user: Some(""), ..all }), 0);
    assert_eq!(count(ConnectionSelection { transport: Some(TransportKind::LongPolling), ..all }), 0);
    assert_eq!(count(ConnectionSelection { transport: Some(TransportKind::WebSockets), ..all }), 3);

    let found = listed.find(&ann.id).unwrap();
    assert_eq!((found.user(), found.organisation()), (Some("ann"), Some("acme")));
    assert_eq!((found.since(), found.transport()), (start, TransportKind::WebSockets));
    assert_eq!(found.remote_address().unwrap().to_string(), "10.0.0.7");
    let dismissal = Dismissal { allow_reconnect: true, reason: Some("why".into()) };
    found.dismiss(dismissal.clone());
    assert!(queue.signals.take(Signal::Abort) && queue.is_ending());
    assert_eq!(queue.dismissal(), Some(dismissal));
    drop((ann, queue));
    assert!(listed.find(found.id()).is_none());
    found.dismiss(Dismissal::default());
}

#[tokio::test]
async fn connections_begin_and_end_between_the_slices_of_a_list() {
    let registry = registry(Limits::default());
    let listed = LiveConnections(Arc::clone(&registry));
    let admit = || {
        let send_queue = send_queue();
        let attached = registry.admit(&send_queue, &key("ann", "acme", [10, 0, 0, 7]), None).map_err(drop).unwrap();
        (attached, send_queue)
    };
    let mut live: Vec<_> = (0..1_000).map(|_| admit()).collect();
    let all = ConnectionSelection::default();
    let mut slices = listed.slices(&all);
    let first = slices.next().unwrap();
    assert!(!first.is_empty() && first.len() < 100, "{} connections at once", first.len());
    // This hangs if the list holds the lock.
    let new = admit();
    let ended: HashSet<ConnectionId> = live.drain(500..).map(|(attached, _)| attached.id.clone()).collect();
    let rest: Vec<LiveConnection> = slices.flatten().collect();
    let ids: Vec<&ConnectionId> = first.iter().chain(&rest).map(LiveConnection::id).collect();
    assert_eq!(ids.iter().collect::<HashSet<_>>().len(), ids.len(), "none is listed twice");
    assert!(live.iter().all(|(attached, _)| ids.contains(&&attached.id)), "one was not listed");
    assert!(!rest.iter().any(|connection| ended.contains(connection.id())), "one that has ended was listed");
    drop(new);
}

#[tokio::test]
async fn an_id_that_is_also_the_token_finds_nothing() {
    let registry = registry(Limits::default());
    let names = ConnectionNames::random_shared();
    let (id, token) = (names.id.clone(), names.token.reveal().to_owned());
    registry.negotiate(names, Reconnect::Plain, &QuotaKey::default(), None).unwrap();
    let _attached = attach(&registry, &token).map_err(drop).unwrap();
    let listed = LiveConnections(Arc::clone(&registry));
    assert_eq!(listed.list(&ConnectionSelection::default()).len(), 1);
    assert!(listed.find(&id).is_none() && listed.find(&ConnectionId::new(&*token)).is_none());
}
