use futures_util::FutureExt;

use super::*;
use crate::auth::ticket::Ticket;
use crate::outbound::Writer;

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
