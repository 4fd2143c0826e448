//! The simulated Redis answers as a real one: the same random operations on both.

use signalhub_events::{Epoch, EventId, Fingerprint, IdempotencyKey, Position};

use super::seed::Seed;
use super::*;
use crate::log::simulated::{Keyspace, publish_call};
use crate::log::streams::{NamesCursor, PublishAnswer, PublishCall, Streams};
use crate::log::write::{Attempt, WriteId};

const ROUNDS: usize = 500;

/// A publish that a node might make, with what it might have read: often too little, sometimes too much.
fn random_call(seed: &mut Seed, data: &Keyspace, number: u64) -> PublishCall {
    let name = EventName::new(format!("shop.{}", seed.below(2)));
    // Some come again, because their answers were lost.
    let id = EventId::new(Epoch::new(1), if seed.below(4) == 0 { seed.below(number + 1) } else { number });
    let mut call = publish_call(&name, id, Epoch::new(1_000 + number));
    let seen = data.check(&name, 0);
    let top = seen.top;
    let offset = match seed.below(6) {
        0 => top + 1,
        1 => seed.below(top + 1),
        _ => top,
    };
    let epoch = match (seed.below(8), seen.epoch) {
        (0, _) | (_, None) => Epoch::new(5),
        (_, Some(epoch)) => epoch,
    };
    if seed.below(8) > 0 {
        call.floor = Some(Position::new(epoch, offset));
        let at_floor = data.check(&name, offset).at_cursor;
        call.tail = match seed.below(7) {
            0 => Some(WriteId { event: EventId::new(Epoch::new(9), 9), attempt: Attempt::FIRST }),
            // The same event, written by another attempt.
            1 => at_floor.map(|write| WriteId { attempt: write.attempt.next(), ..write }),
            2..5 => at_floor,
            _ => None,
        };
    }
    if seed.below(3) == 0 {
        let key = u8::try_from(seed.below(40)).unwrap();
        call.key = Some((IdempotencyKey::new([key; 16]), Fingerprint::new(seed.below(2))));
    }
    if let Some(epoch) = seen.epoch.filter(|_| seed.below(3) > 0) {
        call.first_epoch = epoch;
    }
    if seed.below(3) == 0 {
        call.attempt = Attempt(2 + u32::try_from(seed.below(2)).unwrap());
    }
    call
}

#[tokio::test]
async fn the_simulated_redis_answers_as_a_real_one() {
    let Some(server) = TestServer::start() else { return };
    let instances = instances(&[server.url()]).await;
    let instance = instances.all()[0].clone();
    let real = Server::new(instance.clone(), Keys::new("p:"));
    let mut reader = real.open().await.unwrap();
    let (mut seed, mut model) = (Seed::new(7), Keyspace::default());
    let mut command = instance.commands().unwrap();
    for number in 1..=ROUNDS as u64 {
        let name = EventName::new(format!("shop.{}", seed.below(2)));
        match seed.below(21) {
            0..13 => {
                let call = random_call(&mut seed, &model, number);
                let answer = real.publish(&call).await.unwrap().0;
                assert_eq!(model.publish(&call, number), answer, "round {number}: {call:?}");
            }
            13 => {
                let (new, other) = (Epoch::new(9_000 + number), Epoch::new(3));
                let seen = model.check(&name, 0).epoch;
                let seen = if seed.below(3) == 0 { Some(other) } else { seen };
                let epoch = reader.reset(&name, seen, new).await.unwrap();
                assert_eq!(model.reset(&name, seen, new, number), epoch, "round {number}");
            }
            14 => {
                model.remove_events(&name);
                let _: u64 = redis::cmd("DEL").arg(format!("p:e:{name}")).query_async(&mut command).await.unwrap();
            }
            15 => {
                model.remove_meta(&name);
                let _: u64 = redis::cmd("DEL").arg(format!("p:m:{name}")).query_async(&mut command).await.unwrap();
            }
            16 => {
                let keep = seed.below(6) as usize;
                model.keep(&name, keep);
                let mut trim = redis::cmd("XTRIM");
                trim.arg(format!("p:e:{name}")).arg("MAXLEN").arg(keep);
                let _: u64 = trim.query_async(&mut command).await.unwrap();
            }
            17 => {
                let offset = seed.below(12);
                let seen = reader.check(&[(name.clone(), offset)]).await.unwrap();
                assert_eq!([Ok(model.check(&name, offset))][..], seen, "round {number}");
            }
            18 => {
                let (after, most) = (seed.below(12), 1 + seed.below(6) as usize);
                let through = after + 1 + seed.below(8);
                let range = real.range(&name, after, through, most).await.unwrap();
                assert_eq!(model.range(&name, after, through, most), range, "round {number}");
            }
            19 if seed.below(2) == 0 => {
                let _: u64 = redis::cmd("DEL").arg("p:instance").query_async(&mut command).await.unwrap();
                model.identify(None);
            }
            19 => model.identify(Some(reader.dataset().await.unwrap())),
            _ => {
                let names = reader.names(&NamesCursor::default()).await.unwrap();
                let known = model.names_behind(NamesCursor::default());
                let only =
                    |names: &[(NamesCursor, EventName)]| names.iter().map(|(_, name)| name.clone()).collect::<Vec<_>>();
                assert_eq!(only(&known), only(&names), "round {number}");
                // An XREAD without a wait, because something is there.
                if !names.is_empty() {
                    let batch = reader.read(&NamesCursor::default(), &[(name.clone(), 0)]).await.unwrap();
                    assert_eq!(batch.names, names);
                    let all = model.range(&name, 0, u64::MAX, 512).entries;
                    let events = batch.events.into_iter().next().map(|(_, entries)| entries).unwrap_or_default();
                    assert_eq!(all, events, "round {number}");
                }
            }
        }
    }
}

/// A node that has not read a name yet publishes its first event, and has no answer. Then the name begins a new epoch.
#[tokio::test]
async fn a_repeat_is_not_written_in_an_epoch_that_began_after_the_first_attempt() {
    let Some(server) = TestServer::start() else { return };
    let instances = instances(&[server.url()]).await;
    let real = Server::new(instances.all()[0].clone(), Keys::new("p:"));
    let mut reader = real.open().await.unwrap();
    let dataset = reader.dataset().await.unwrap();
    let mut model = Keyspace::default();
    model.identify(Some(dataset));
    let mut call = publish_call(&name(), EventId::new(Epoch::new(1), 1), Epoch::new(1_000));
    call.first_epoch = Epoch::new(dataset.get());
    let first = real.publish(&call).await.unwrap().0;
    assert_eq!((model.publish(&call, 1), first), (first, published(call.first_epoch)));
    call.attempt = call.attempt.next();
    let repeated = real.publish(&call).await.unwrap().0;
    assert!(matches!(repeated, PublishAnswer::Duplicate { .. }), "{repeated:?}");
    assert_eq!(model.publish(&call, 1), repeated);
    let new = Epoch::new(2_000);
    reader.reset(&name(), Some(call.first_epoch), new).await.unwrap();
    model.reset(&name(), Some(call.first_epoch), new, 1);
    assert_eq!([real.publish(&call).await.unwrap().0, model.publish(&call, 1)], [PublishAnswer::Unknown; 2]);
}

fn published(epoch: Epoch) -> PublishAnswer {
    PublishAnswer::Published { position: Position::new(epoch, 1) }
}
