//! What the members of a bucket want, and by which a bucket is found.

use std::hash::{Hash, Hasher};

use super::symbols::{Symbol, Symbols};
use crate::action::Action;
use crate::event::Event;
use crate::filter::Filter;
use crate::name::{EventName, ResourceName};

/// The filter that the members of a bucket share. `None` is no organisation, any resource, any action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) event: Symbol,
    pub(super) organisation: Option<Symbol>,
    pub(super) resource: Option<Symbol>,
    pub(super) action: Option<Action>,
}

impl Key {
    /// Returns the buckets of the subscribers that want an event; `None` if no subscriber has used its name or organisation.
    #[inline]
    pub(super) fn wanting(event: &Event, symbols: &Symbols) -> Option<[Option<Self>; 4]> {
        let name = symbols.find(event.name.as_str())?;
        let organisation = match &event.organisation {
            Some(organisation) => Some(symbols.find(organisation.as_str())?),
            None => None,
        };
        let any = Self { event: name, organisation, resource: None, action: None };
        let resource = event.resource.as_ref().and_then(|name| symbols.find(name.as_str()));
        let of_resource = resource.map(|_| Self { resource, ..any });
        let with_action = |key: Self| event.action.map(|action| Self { action: Some(action), ..key });
        Some([Some(any), with_action(any), of_resource, of_resource.and_then(with_action)])
    }

    /// Returns the filter that the members of the bucket share.
    pub(super) fn filter(self, symbols: &Symbols) -> Option<Filter> {
        let event = EventName::new(symbols.name(self.event)?);
        let resource = match self.resource {
            Some(resource) => Some(ResourceName::new(symbols.name(resource)?)),
            None => None,
        };
        Some(Filter { event, resource, action: self.action })
    }

    /// Counts the bytes of the names in the filter.
    pub(super) fn name_bytes(self, symbols: &Symbols) -> usize {
        symbols.len_of(self.event) + self.resource.map_or(0, |resource| symbols.len_of(resource))
    }

    /// Its symbols, each of which the bucket holds once.
    pub(super) fn symbols(self) -> impl Iterator<Item = Symbol> {
        [Some(self.event), self.organisation, self.resource].into_iter().flatten()
    }
}

/// Hashes all members at once: each publish hashes four keys, and the hasher takes as long for a byte as for many.
impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let symbol = |symbol: Option<Symbol>| u128::from(symbol.map_or(0, Symbol::get));
        let action = self.action.map_or(0, |action| action as u128 + 1);
        state.write_u128(
            symbol(Some(self.event)) | symbol(self.organisation) << 32 | symbol(self.resource) << 64 | action << 96,
        );
    }
}
