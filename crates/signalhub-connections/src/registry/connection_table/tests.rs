use std::collections::HashMap;

use proptest::prelude::*;
use tokio::time::Instant;

use super::*;
use crate::auth::identity::{Owner, Principal};
use crate::id::ConnectionNames;
use crate::limits::quota::QuotaShare;
use crate::registry::entry::{Stage, Waiting};
use crate::transport::reconnect::Reconnect;

fn entry(id: &ConnectionId) -> Entry {
    let (since, share) = (Instant::now(), QuotaShare::default());
    let waiting = Waiting { since, inbox: None, reconnect: Reconnect::Plain, share: QuotaShare::default() };
    let owner = Owner { endpoint: 0, principal: Principal { organisation: None, user: None } };
    Entry {
        id: id.clone(),
        owner,
        remote: None,
        since,
        stage: Stage::Waiting(waiting),
        share,
        ticket: None,
        claim: None,
    }
}

/// What a test does to one of its connections.
#[derive(Debug, Clone, Copy)]
enum Step {
    Insert(usize),
    Remove(usize),
    TakeOut(usize),
    /// Removes every connection whose number is a multiple of this.
    RemoveMultiples(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0..40_usize).prop_map(Step::Insert),
        3 => (0..40_usize).prop_map(Step::Remove),
        2 => (0..40_usize).prop_map(Step::TakeOut),
        1 => (2..7_usize).prop_map(Step::RemoveMultiples),
    ];
    prop::collection::vec(step, 0..120)
}

proptest! {
    #[test]
    fn both_names_find_exactly_the_entries_that_are_there(steps in steps()) {
        let names: Vec<ConnectionNames> = (0..40).map(|_| ConnectionNames::random()).collect();
        let number_of: HashMap<&str, usize> = names.iter().enumerate().map(|(n, names)| (names.id.as_str(), n)).collect();
        let (mut table, mut expected) = (ConnectionTable::default(), [false; 40]);
        for step in steps {
            match step {
                Step::Insert(n) => {
                    table.insert(names[n].token.clone(), entry(&names[n].id));
                    expected[n] = true;
                }
                Step::Remove(n) => {
                    let removed = table.remove(names[n].token.reveal()).map(|entry| entry.id);
                    prop_assert_eq!(removed, expected[n].then(|| names[n].id.clone()));
                    expected[n] = false;
                }
                Step::TakeOut(n) => {
                    let taken = table.take_out(names[n].token.reveal());
                    prop_assert_eq!(taken.is_some(), expected[n]);
                    let Some(taken) = taken else { continue };
                    prop_assert!(table.get(names[n].token.reveal()).is_none() && table.get_by_id(&names[n].id).is_none());
                    table.put_back(taken);
                }
                Step::RemoveMultiples(of) => {
                    table.retain(|entry| !number_of[entry.id.as_str()].is_multiple_of(of));
                    expected.iter_mut().step_by(of).for_each(|is_there| *is_there = false);
                }
            }
            for (names, is_there) in names.iter().zip(expected) {
                let wanted = is_there.then_some(&names.id);
                prop_assert_eq!(table.get(names.token.reveal()).map(|entry| &entry.id), wanted);
                prop_assert_eq!(table.get_by_id(&names.id).map(|entry| &entry.id), wanted);
            }
            let count = expected.iter().filter(|is_there| **is_there).count();
            prop_assert_eq!((table.len(), table.values().count()), (count, count));
        }
    }
}

#[test]
fn an_entry_stays_in_its_place_while_others_come_and_go() {
    let mut table = ConnectionTable::default();
    let names: Vec<ConnectionNames> = (0..6).map(|_| ConnectionNames::random()).collect();
    let insert = |table: &mut ConnectionTable, n: usize| table.insert(names[n].token.clone(), entry(&names[n].id));
    (0..4).for_each(|n| insert(&mut table, n));
    let at = |table: &ConnectionTable, from| -> Option<Vec<ConnectionId>> {
        Some(table.some(from, 2)?.map(|entry| entry.id.clone()).collect())
    };
    table.remove(names[0].token.reveal());
    table.remove(names[2].token.reveal());
    let taken = table.take_out(names[3].token.reveal()).unwrap();
    table.put_back(taken);
    assert_eq!(at(&table, 0), Some(vec![names[1].id.clone()]));
    assert_eq!(at(&table, 2), Some(vec![names[3].id.clone()]));
    assert_eq!(at(&table, 4), None);
    (4..6).for_each(|n| insert(&mut table, n));
    assert_eq!(at(&table, 4), None, "places are used again");
    assert_eq!(table.values().count(), 4);
}
