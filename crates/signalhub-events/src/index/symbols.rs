//! Interned names.

use std::collections::HashMap;
use std::sync::Arc;

use super::slab::Slab;

/// Stands for a name within one index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Symbol(std::num::NonZeroU32);

/// Holds each name once, and drops it when its last reference is removed: clients choose the names, so unused ones must not pile up.
#[derive(Debug, Default)]
pub(crate) struct Symbols {
    numbers: HashMap<Arc<str>, u32>,
    names: Slab<(Arc<str>, usize)>,
}

impl Symbol {
    /// Returns its number, which is not 0.
    pub(crate) fn get(self) -> u32 {
        self.0.get()
    }
}

impl Symbols {
    /// Returns the symbol of a name that is referred to.
    pub(crate) fn find(&self, name: &str) -> Option<Symbol> {
        self.numbers.get(name).copied().and_then(symbol)
    }

    /// Returns the name behind a symbol.
    pub(crate) fn name(&self, symbol: Symbol) -> Option<Arc<str>> {
        self.names.get(number(symbol)).map(|(name, _)| Arc::clone(name))
    }

    /// Counts the bytes of the name behind a symbol.
    pub(crate) fn len_of(&self, symbol: Symbol) -> usize {
        self.names.get(number(symbol)).map_or(0, |(name, _)| name.len())
    }

    /// Adds a reference to a name.
    pub(crate) fn acquire(&mut self, name: &str) -> Symbol {
        if let Some(symbol) = self.find(name) {
            self.retain(symbol);
            return symbol;
        }
        let name: Arc<str> = name.into();
        let number = self.names.insert((name.clone(), 1));
        self.numbers.insert(name, number);
        symbol(number).expect("a slab's numbers end before the last u32, which alone has no successor")
    }

    /// Adds a reference to a name that has one.
    pub(crate) fn retain(&mut self, symbol: Symbol) {
        if let Some((_, references)) = self.names.get_mut(number(symbol)) {
            *references += 1;
        }
    }

    /// Refers to a name once less; the last one forgets it.
    pub(crate) fn release(&mut self, symbol: Symbol) {
        let Some((_, references)) = self.names.get_mut(number(symbol)) else {
            return;
        };
        *references -= 1;
        if *references == 0
            && let Some((name, _)) = self.names.remove(number(symbol))
        {
            self.numbers.remove(&name);
        }
    }

    /// Counts the names.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.names.len()
    }
}

fn symbol(number: u32) -> Option<Symbol> {
    std::num::NonZeroU32::new(number.wrapping_add(1)).map(Symbol)
}

fn number(symbol: Symbol) -> u32 {
    symbol.0.get() - 1
}
