//! The events of one transaction.

use std::collections::{BTreeMap, HashMap};

use signalhub_events::{Append, Declared, Durability, Epoch, LogUnavailable, Position};

use crate::blocks::Written;
use crate::load::Runs;
use crate::retention::Retention;
use crate::row::{self, Place, content_bytes, row_bytes};
use crate::shared::{Shared, State};
use crate::store::{Store, WriteError, insert_run};

/// Some events, with their places. They are not yet in the file.
#[derive(Debug)]
pub(crate) struct Batch {
    appends: Vec<Append>,
    /// Of each event, the index of its name and its place.
    places: Vec<(usize, Place)>,
    /// The epoch of each name that has an event here.
    epochs: HashMap<usize, Epoch>,
    new_names: Vec<NewName>,
    new_runs: Runs,
}

/// A name that the file does not have.
#[derive(Debug)]
struct NewName {
    index: usize,
    number: i64,
    epoch: Epoch,
    name: signalhub_events::EventName,
}

impl Batch {
    /// Gives events their places, from this row on. The time is in milliseconds of Unix time.
    pub(crate) fn new(appends: Vec<Append>, shared: &Shared, first_row: i64, at: i64) -> Self {
        let mut state = shared.state();
        let (mut places, mut epochs) = (Vec::with_capacity(appends.len()), HashMap::new());
        let mut new_runs = Runs::new();
        let mut next = BTreeMap::new();
        for (row, append) in (first_row..).zip(&appends) {
            let event = &append.event;
            let index = index_of(&mut state, shared, &event.name);
            let name = state.names.at(index);
            let offset = next.entry(index).or_insert(name.blocks.next());
            places.push((index, Place { row, number: name.number, offset: *offset, at }));
            *offset += 1;
            epochs.insert(index, name.epoch);
            if let (Some(id), Some(node)) = (event.id, &event.node)
                && !state.runs.contains_key(&id.run().get())
            {
                new_runs.insert(id.run().get(), node.clone());
            }
        }
        let new_name = |(index, name): (usize, &crate::names::Name)| NewName {
            index,
            number: name.number,
            epoch: name.epoch,
            name: name.name.clone(),
        };
        let new_names = state.names.missing_in_file().map(new_name).collect();
        drop(state);
        Self { appends, places, epochs, new_names, new_runs }
    }

    /// Whether one of the events must be durable before its publisher is told.
    pub(crate) fn wants_durable(&self) -> bool {
        self.appends.iter().any(|append| append.durability == Durability::Durable)
    }

    /// Writes the events in one transaction.
    pub(crate) fn write(&self, store: &mut Store) -> Result<(), WriteError> {
        store.commit(|transaction| {
            for NewName { index: _, number, epoch, name } in &self.new_names {
                let sql = "INSERT INTO name (n, name, epoch, first, next) VALUES (?1, ?2, ?3, 1, 1)";
                transaction.execute(sql, (number, name.as_str(), epoch.get().cast_signed()))?;
            }
            for run in self.new_runs.keys() {
                insert_run(transaction, &self.new_runs, *run)?;
            }
            for (append, (_, place)) in self.appends.iter().zip(&self.places) {
                row::insert(transaction, *place, &append.event, append.idempotency)?;
            }
            Ok(())
        })
    }

    /// Adds the events to the index, in place of those that exceed the limits now, and tells the publishers their positions.
    pub(crate) fn finish(self, shared: &Shared, retention: &mut Retention) {
        let mut state = shared.state();
        self.new_names.iter().for_each(|name| state.names.now_in_file(name.index));
        for (append, (index, Place { row, at, .. })) in self.appends.iter().zip(&self.places) {
            let (bytes, keyed) = (row_bytes(content_bytes(&append.event)), append.idempotency.is_some());
            state.names.push(*index, Written { row: *row, at: *at, bytes, keyed });
        }
        state.runs.extend(self.new_runs);
        retention.trim_names(&mut state.names);
        drop(state);
        for (append, (index, place)) in self.appends.into_iter().zip(self.places) {
            (append.done)(Ok(Position::new(self.epochs[&index], place.offset)));
        }
    }

    /// Returns the events, which were not stored.
    pub(crate) fn into_appends(self) -> Vec<Append> {
        self.appends
    }

    /// What the rows take.
    pub(crate) fn bytes(&self) -> u64 {
        self.appends.iter().map(|append| row_bytes(content_bytes(&append.event))).sum()
    }

    /// The number of events.
    pub(crate) fn len(&self) -> usize {
        self.appends.len()
    }
}

/// Tells the publishers that their events were not stored.
pub(crate) fn refuse(appends: Vec<Append>) {
    appends.into_iter().for_each(|append| (append.done)(Err(LogUnavailable)));
}

/// The index of a name. The broker admits each name before it appends an event; one that was not gets a history all the same.
fn index_of(state: &mut State, shared: &Shared, name: &signalhub_events::EventName) -> usize {
    state
        .names
        .index(name)
        .unwrap_or_else(|| state.names.create(name.clone(), Declared::No, shared.options.limits_of(name)))
}
